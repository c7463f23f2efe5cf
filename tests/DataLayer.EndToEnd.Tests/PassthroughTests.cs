using DataLayer.TestKit;
using Xunit;

namespace DataLayer.EndToEnd.Tests;

/// <summary>Large files that are complete in the cache are read by the kernel itself; the bytes are the same either way.</summary>
public sealed class PassthroughTests : IDisposable
{
    readonly ScratchDirectory scratch = new();

    [Fact]
    public void A_complete_large_file_is_read_by_the_kernel_and_an_incomplete_or_open_one_by_us()
    {
        string source = scratch.Sub("source");
        Shell.Bash("head -c 12345678 /dev/urandom > \"$1/model\"; echo small > \"$1/config\"", source).Checked.ToString();
        using Mounted mount = new(scratch.File("mnt"), source, "--cache-dir", scratch.File("cache"), "--open-mode", "passthrough");
        Assert.Equal("passthrough", mount.Stats().GetProperty("openMode").GetString());
        Assert.Equal("", Shell.Bash("diff -r \"$1\" \"$2\"", source, mount.MountPoint).Checked);
        DlFuse.Run("warm", mount.MountPoint).Checked.ToString();

        // While the file is open through the page cache it stays that way (one way per inode), afterwards it is handed over.
        using System.Diagnostics.Process holder = System.Diagnostics.Process.Start("bash", ["-c", "exec 3< \"$1/model\"; touch \"$2\"; exec sleep 60", "bash", mount.MountPoint, scratch.File("held")]);
        Shell.Bash("for i in $(seq 100); do [ -e \"$1\" ] && exit 0; sleep 0.1; done; exit 1", scratch.File("held")).Checked.ToString();
        Assert.Equal(1, mount.Stat("passthroughFiles"));
        long reads = mount.Stats().GetProperty("requests").GetProperty("read").GetInt64();
        Assert.Equal("", Shell.Bash("cmp \"$1/model\" \"$2/model\"", source, mount.MountPoint).Checked);
        Assert.Equal(reads, mount.Stats().GetProperty("requests").GetProperty("read").GetInt64());
        holder.Kill();
        holder.WaitForExit();
        Shell.Bash("for i in $(seq 100); do [ \"$(cat \"$1/config\")\" = small ] && exit 0; done; exit 1", mount.MountPoint).Checked.ToString();
    }

    [Fact]
    public void The_mode_is_chosen_by_what_the_snapshot_holds()
    {
        string models = scratch.Sub("models"), images = scratch.Sub("images");
        Shell.Bash("truncate -s 20M \"$1/model\"; echo x > \"$1/config\"; for i in $(seq 1200); do echo $i > \"$2/$i\"; done; truncate -s 20M \"$2/archive\"", models, images).Checked.ToString();
        using (Mounted mount = new(scratch.File("mnt"), models, "--cache-dir", scratch.File("cache")))
            Assert.Equal("passthrough", mount.Stats().GetProperty("openMode").GetString());
        using (Mounted mount = new(scratch.File("mnt"), images, "--cache-dir", scratch.File("cache")))
            Assert.Equal("none", mount.Stats().GetProperty("openMode").GetString());
        using (Mounted mount = new(scratch.File("mnt"), models, "--cache-dir", scratch.File("cache"), "--without", "Passthrough"))
            Assert.Equal("none", mount.Stats().GetProperty("openMode").GetString());
    }

    public void Dispose() => scratch.Dispose();
}
