using DataLayer.TestKit;
using Xunit;

namespace DataLayer.EndToEnd.Tests;

/// <summary>A mount that follows its sources changes as a whole; one that does not, never.</summary>
public sealed class RefreshTests : IDisposable
{
    readonly ScratchDirectory scratch = new();

    // On kernels without FUSE_NOTIFY_INC_EPOCH (before 7.44) names are dropped one by one.
    [Theory]
    [InlineData()]
    [InlineData("--fuse-minor", "43")]
    public void A_following_mount_shows_what_was_added_changed_and_removed(params string[] kernel)
    {
        string source = scratch.Sub("source");
        Directory.CreateDirectory(Path.Combine(source, "dir/gone"));
        File.WriteAllText(Path.Combine(source, "dir/kept"), "kept");
        File.WriteAllText(Path.Combine(source, "dir/changed"), "before");
        File.WriteAllText(Path.Combine(source, "dir/removed"), "removed");
        File.WriteAllText(Path.Combine(source, "dir/gone/inner"), "inner");
        using Mounted mount = new(scratch.File("mnt"), [source, "--cache-dir", scratch.File("cache"), "--refresh", "1s", .. kernel]);
        string before = Shell.Bash("cd \"$1\" && find . | sort && cat dir/* 2>/dev/null; stat -c %i dir/kept; ls dir/added 2>/dev/null; true", mount.MountPoint).Checked;
        Assert.Contains("before", before);
        string inode = Shell.Bash("stat -c %i \"$1/dir/kept\"", mount.MountPoint).Checked;

        File.WriteAllText(Path.Combine(source, "dir/changed"), "after!");
        File.WriteAllText(Path.Combine(source, "dir/added"), "added");
        File.Delete(Path.Combine(source, "dir/removed"));
        Directory.Delete(Path.Combine(source, "dir/gone"), recursive: true);

        // "added" was looked up above, so its absence was cached by the kernel.
        Shell.Bash("for i in $(seq 300); do [ \"$(cat \"$1/dir/added\" 2>/dev/null)\" = added ] && [ ! -e \"$1/dir/removed\" ] && exit 0; sleep 0.1; done; exit 1", mount.MountPoint).Checked.ToString();
        Assert.Equal("", Shell.Bash("diff -r \"$1\" \"$2\"", source, mount.MountPoint).Checked);
        Assert.Equal("added\nchanged\nkept\n", Shell.Bash("ls \"$1/dir\"", mount.MountPoint).Checked);
        Assert.Equal(inode, Shell.Bash("stat -c %i \"$1/dir/kept\"", mount.MountPoint).Checked);
        Assert.Equal(0, mount.Stat("refreshFailures"));
    }

    [Fact]
    public void A_reader_that_holds_an_old_file_reads_old_bytes_or_ESTALE_never_a_mixture()
    {
        string source = scratch.Sub("source");
        // Three units of a large file, so that part of it can be cached and part not.
        string old = new('o', 3 << 20), renewed = new('n', 3 << 20);
        File.WriteAllText(Path.Combine(source, "file"), old);
        using Mounted mount = new(scratch.File("mnt"), source, "--cache-dir", scratch.File("cache"), "--refresh", "1s");
        string result = Shell.Bash("""
            exec 3< "$1/file"
            head -c 100 <&3 > /dev/null
            cp "$2" "$3/file"
            for i in $(seq 300); do [ "$(head -c 1 "$1/file")" = n ] && break; sleep 0.1; done
            head -c 1 "$1/file"; echo
            # The held descriptor: whatever it still gives is old.
            cat <&3 2>"$4" | tr -d o | wc -c
            """, mount.MountPoint, WriteFile("renewed", renewed), source, scratch.File("errors")).Checked;
        Assert.Equal("n\n0\n", result);
        string errors = File.ReadAllText(scratch.File("errors"));
        Assert.True(errors.Length == 0 || errors.Contains("Stale file handle"), errors);
        Assert.Equal("", Shell.Bash("cmp \"$1/file\" \"$2/file\"", source, mount.MountPoint).Checked);
    }

    [Fact]
    public void A_pinned_mount_answers_ESTALE_for_a_file_that_changed_before_it_was_read()
    {
        string source = scratch.Sub("source");
        File.WriteAllText(Path.Combine(source, "changed"), "before");
        File.WriteAllText(Path.Combine(source, "removed"), "before");
        File.WriteAllText(Path.Combine(source, "cached"), "before");
        using Mounted mount = new(scratch.File("mnt"), source, "--cache-dir", scratch.File("cache"), "--without", "AsyncRead");
        // Reading one file of a pack fetches its neighbours too, so change them before anything is read.
        File.WriteAllText(Path.Combine(source, "changed"), "after!");
        File.Delete(Path.Combine(source, "removed"));
        Assert.Equal("before", Shell.Bash("cat \"$1/cached\"", mount.MountPoint).Checked);
        foreach (string name in new[] { "changed", "removed" })
        {
            ShellResult read = Shell.Bash("cat \"$1\"", Path.Combine(mount.MountPoint, name));
            Assert.Equal(1, read.ExitCode);
            Assert.Contains("Stale file handle", read.Errors);
        }

        Assert.True(mount.Stat("staleFiles") >= 2);
        File.WriteAllText(Path.Combine(source, "cached"), "after!");
        Assert.Equal("before", Shell.Bash("cat \"$1/cached\"", mount.MountPoint).Checked);
    }

    [Fact]
    public void A_source_that_cannot_be_listed_keeps_the_old_tree()
    {
        string source = scratch.Sub("source");
        File.WriteAllText(Path.Combine(source, "file"), "content");
        using Mounted mount = new(scratch.File("mnt"), source, "--cache-dir", scratch.File("cache"), "--refresh", "1s");
        Assert.Equal("content", Shell.Bash("cat \"$1/file\"", mount.MountPoint).Checked);
        Directory.Move(source, source + "-away");
        Shell.Bash("echo 3 > /proc/sys/vm/drop_caches").Checked.ToString();
        for (int i = 0; i < 300 && mount.Stat("refreshFailures") == 0; i++) Thread.Sleep(100);
        Assert.True(mount.Stat("refreshFailures") > 0);
        Assert.Equal("content", Shell.Bash("cat \"$1/file\"", mount.MountPoint).Checked);
    }

    string WriteFile(string name, string content)
    {
        File.WriteAllText(scratch.File(name), content);
        return scratch.File(name);
    }

    public void Dispose() => scratch.Dispose();
}
