using DataLayer.TestKit;
using Xunit;

namespace DataLayer.EndToEnd.Tests;

/// <summary>The promises of the README's semantics section that a shell can check.</summary>
public sealed class SemanticsTests : IDisposable
{
    readonly ScratchDirectory scratch = new();

    string Source()
    {
        string source = scratch.Sub("source");
        File.WriteAllText(Path.Combine(source, "file"), "content");
        Directory.CreateDirectory(Path.Combine(source, "dir"));
        return source;
    }

    [Theory]
    [InlineData("touch $1/new")]
    [InlineData("touch $1/file")]
    [InlineData("echo x >> $1/file")]
    [InlineData(": > $1/file")]
    [InlineData("rm $1/file")]
    [InlineData("mv $1/file $1/other")]
    [InlineData("mkdir $1/sub")]
    [InlineData("rmdir $1/dir")]
    [InlineData("ln $1/file $1/hard")]
    [InlineData("ln -s file $1/soft")]
    [InlineData("chmod 600 $1/file")]
    [InlineData("chown 1 $1/file")]
    [InlineData("setfattr -n user.x -v y $1/file")]
    [InlineData("mknod $1/null c 1 3")]
    [InlineData("fallocate -l 1M $1/file")]
    public void Every_change_is_refused_as_read_only(string command)
    {
        using Mounted mount = new(scratch.File("mnt"), Source(), "--cache-dir", scratch.File("cache"));
        ShellResult result = Shell.Bash(command, mount.MountPoint);
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("Read-only file system", result.Errors);
        // Also when someone remounts it writable: the filesystem itself refuses.
        if (Shell.Bash("mount -o remount,rw,bind \"$1\" && mount -o remount,rw \"$1\"", mount.MountPoint).ExitCode != 0) return;
        result = Shell.Bash(command, mount.MountPoint);
        Assert.NotEqual(0, result.ExitCode);
        Assert.Equal("content", Shell.Bash("cat \"$1/file\"", mount.MountPoint).Checked);
    }

    [Fact]
    public void Owner_and_mode_options_replace_those_of_the_source()
    {
        using Mounted mount = new(scratch.File("mnt"), Source(), "--cache-dir", scratch.File("cache"), "--uid", "1234", "--gid", "2345", "--file-mode", "0640", "--dir-mode", "0750");
        Assert.Equal("1234 2345 640\n1234 2345 750\n", Shell.Bash("stat -c '%u %g %a' \"$1/file\" \"$1/dir\"", mount.MountPoint).Checked);
    }

    [Fact]
    public void Permission_bits_decide_for_other_users()
    {
        string source = Source();
        File.WriteAllText(Path.Combine(source, "secret"), "hidden");
        File.SetUnixFileMode(Path.Combine(source, "secret"), UnixFileMode.UserRead);
        Shell.Bash("chmod 755 \"$1\" \"$2\"", scratch.Path, source).Checked.ToString();
        using (Mounted mount = new(scratch.File("mnt"), source, "--cache-dir", scratch.File("cache"), "--allow-other"))
        {
            Assert.Equal("content", Shell.Bash("setpriv --reuid=65534 --regid=65534 --clear-groups cat \"$1/file\"", mount.MountPoint).Checked);
            Assert.Contains("Permission denied", Shell.Bash("setpriv --reuid=65534 --regid=65534 --clear-groups cat \"$1/secret\"", mount.MountPoint).Errors);
        }

        using Mounted closed = new(scratch.File("mnt"), source, "--cache-dir", scratch.File("cache"));
        Assert.Contains("Permission denied", Shell.Bash("setpriv --reuid=65534 --regid=65534 --clear-groups cat \"$1/file\"", closed.MountPoint).Errors);
    }

    [Fact]
    public void Virtual_attributes_tell_source_version_and_cached_bytes()
    {
        string source = Source();
        using Mounted mount = new(scratch.File("mnt"), source, "--cache-dir", scratch.File("cache"), "--xattr");
        string get = "getfattr --only-values -n user.datalayer.$2 \"$1/file\"";
        Assert.Equal("0", Shell.Bash(get, mount.MountPoint, "cached").Checked);
        Shell.Bash("cat \"$1/file\"", mount.MountPoint).Checked.ToString();
        // The reader gets its bytes before they are written to the cache.
        Shell.Bash("for i in $(seq 300); do [ \"$(getfattr --only-values -n user.datalayer.cached \"$1/file\")\" = 7 ] && exit 0; sleep 0.1; done; exit 1", mount.MountPoint).Checked.ToString();
        Assert.EndsWith("/source/file", Shell.Bash(get, mount.MountPoint, "source").Checked);
        Assert.Matches("^[0-9a-f]{32}$", Shell.Bash(get, mount.MountPoint, "etag").Checked);
        Assert.Contains("user.datalayer.etag", Shell.Bash("getfattr -d -m - \"$1/file\"", mount.MountPoint).Checked);
    }

    [Fact]
    public void A_special_file_is_reported_and_left_out()
    {
        string source = Source();
        Shell.Bash("mkfifo \"$1/pipe\"", source).Checked.ToString();
        DlFuse.Run("snapshot", source, "-o", scratch.File("m")).Checked.ToString();
        Assert.Equal(1, DlFuse.RunJson("show", scratch.File("m"), "--json").GetProperty("unrepresentableKeys").GetInt64());
        Assert.Contains("\tpipe\t", DlFuse.Run("show", scratch.File("m"), "--unrepresentable").Checked);
    }

    [Fact]
    public void A_mount_that_was_copied_into_another_namespace_can_be_cut_off()
    {
        Mounted mount = new(scratch.File("mnt"), Source(), "--cache-dir", scratch.File("cache"));
        using System.Diagnostics.Process copy = System.Diagnostics.Process.Start("unshare", ["-m", "sleep", "60"]);
        try
        {
            Shell.Bash("for i in $(seq 100); do [ \"$(readlink /proc/$1/ns/mnt)\" != \"$(readlink /proc/self/ns/mnt)\" ] && exit 0; sleep 0.1; done; exit 1", copy.Id.ToString()).Checked.ToString();
            DlFuse.Run("unmount", "--force", mount.MountPoint).Checked.ToString();
            Assert.Equal(0, Shell.Bash("for i in $(seq 300); do [ -d /proc/$1 ] || exit 0; sleep 0.1; done; exit 1", mount.Pid.ToString()).ExitCode);
        }
        finally
        {
            copy.Kill();
            copy.WaitForExit();
        }
    }

    [Fact]
    public void A_cache_directory_that_cannot_be_written_is_reported_once_and_reads_go_on()
    {
        string source = Source();
        string cache = scratch.Sub("cache");
        Shell.Bash("mount -t tmpfs -o ro none \"$1\"", cache).Checked.ToString();
        try
        {
            using Mounted mount = new(scratch.File("mnt"), source, "--cache-dir", cache);
            Assert.Equal("content", Shell.Bash("cat \"$1/file\"", mount.MountPoint).Checked);
            Assert.Contains("uncached", mount.Errors);
        }
        finally
        {
            Shell.Bash("umount \"$1\"", cache).Checked.ToString();
        }
    }

    public void Dispose() => scratch.Dispose();
}
