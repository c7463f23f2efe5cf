using DataLayer.TestKit;
using Xunit;

namespace DataLayer.EndToEnd.Tests;

/// <summary>kill -9 of the mount process at any moment: the next mount needs no cleaning up and serves no wrong byte.</summary>
public sealed class CrashTests : IDisposable
{
    readonly ScratchDirectory scratch = new();

    [Fact]
    public void After_kill_9_under_load_the_same_command_mounts_again_with_right_bytes()
    {
        string source = scratch.Sub("source");
        RandomTree.Create(source, 21, files: 400);
        string sums = "cd -- \"$1\" && find . -type f -print0 | sort -z | xargs -0 md5sum | md5sum";
        string expected = Shell.Bash(sums, source).Checked;
        Random random = new(21);
        for (int round = 0; round < 6; round++)
        {
            Mounted mount = new(scratch.File("mnt"), source, "--cache-dir", scratch.File("cache"));
            using System.Diagnostics.Process reader = System.Diagnostics.Process.Start("bash", ["-c", "find \"$1\" -type f -print0 | shuf -z | xargs -0 -P4 -n8 cat > /dev/null 2>&1", "bash", mount.MountPoint]);
            Thread.Sleep(random.Next(400)); // any moment will do: the moment is what varies, nothing waits for it
            mount.Kill();
            reader.WaitForExit();
        }

        using Mounted last = new(scratch.File("mnt"), source, "--cache-dir", scratch.File("cache"));
        Assert.Equal(expected, Shell.Bash(sums, last.MountPoint).Checked);
        Assert.Equal(0, DlFuse.RunJson("check", scratch.File("cache"), "--json").GetProperty("badUnits").GetInt64());
    }

    [Fact]
    public void Two_mounts_share_one_cache_and_survive_the_death_of_its_owner()
    {
        string source = scratch.Sub("source");
        RandomTree.Create(source, 22, files: 150);
        string sums = "cd -- \"$1\" && find . -type f -print0 | sort -z | xargs -0 md5sum | md5sum";
        string expected = Shell.Bash(sums, source).Checked;
        Mounted owner = new(scratch.File("mnt1"), source, "--cache-dir", scratch.File("cache"));
        using Mounted other = new(scratch.File("mnt2"), source, "--cache-dir", scratch.File("cache"));
        Assert.Equal(expected, Shell.Bash(sums, owner.MountPoint).Checked);
        Assert.Equal(expected, Shell.Bash(sums, other.MountPoint).Checked);
        Assert.Equal(0, other.Stat("bytesFromSource"));
        owner.Kill();
        Shell.Bash("echo 3 > /proc/sys/vm/drop_caches").Checked.ToString();
        Assert.Equal(expected, Shell.Bash(sums, other.MountPoint).Checked);
        Assert.Equal(0, other.Stat("sourceErrors"));
        using Mounted third = new(scratch.File("mnt1"), source, "--cache-dir", scratch.File("cache"));
        Assert.Equal(expected, Shell.Bash(sums, third.MountPoint).Checked);
        Assert.Equal(0, third.Stat("bytesFromSource"));
    }

    [Fact]
    public void SIGTERM_unmounts_and_exits_with_0()
    {
        string source = scratch.Sub("source");
        File.WriteAllText(Path.Combine(source, "file"), "content");
        Mounted mount = new(scratch.File("mnt"), source, "--cache-dir", scratch.File("cache"));
        Assert.Equal(0, mount.Terminate());
        Assert.Equal(1, Shell.Bash("mountpoint -q \"$1\"", scratch.File("mnt")).ExitCode is var code && code != 0 ? 1 : 0);
    }

    public void Dispose()
    {
        Shell.Bash("for m in \"$1\"/mnt*; do umount -l \"$m\" 2>/dev/null; done; true", scratch.Path);
        scratch.Dispose();
    }
}
