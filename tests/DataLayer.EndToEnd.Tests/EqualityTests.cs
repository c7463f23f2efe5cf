using DataLayer.TestKit;
using Xunit;

namespace DataLayer.EndToEnd.Tests;

/// <summary>A mount equals its source byte for byte and attribute for attribute, by the tools people check with.</summary>
public sealed class EqualityTests : IDisposable
{
    readonly ScratchDirectory scratch = new();

    // What a reader of the tree can see, one line per entry. Directories' sizes and link counts are not of the data.
    const string Attributes = """cd -- "$1" && find . -mindepth 1 \( -type d -printf '%P %y %m %U %G %T@\0' -o -printf '%P %y %m %U %G %T@ %s %l\0' \) | sort -z | md5sum""";

    const string Contents = """cd -- "$1" && find . -type f -print0 | sort -z | xargs -0 md5sum | md5sum""";

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_random_tree_reads_the_same_through_every_tool(int seed)
    {
        string source = scratch.Sub("source");
        RandomTree.Create(source, seed);
        using Mounted mount = new(scratch.File("mnt"), source, "--cache-dir", scratch.File("cache"));

        // Twice: the first pass fetches from the source, the second is answered by the cache and the kernel.
        for (int pass = 0; pass < 2; pass++)
        {
            Assert.Equal("", Shell.Bash("diff -r --no-dereference -- \"$1\" \"$2\" 2>&1", source, mount.MountPoint).Checked);
            // Hard links become separate files (README), so -H is not asked for.
            Assert.Equal("", Shell.Bash("rsync -nca --delete --itemize-changes -- \"$1/\" \"$2/\" 2>&1", source, mount.MountPoint).Checked);
            Assert.Equal(Shell.Bash(Attributes, source).Checked, Shell.Bash(Attributes, mount.MountPoint).Checked);
            Assert.Equal(Shell.Bash(Contents, source).Checked, Shell.Bash(Contents, mount.MountPoint).Checked);
            Shell.Bash("echo 2 > /proc/sys/vm/drop_caches").Checked.ToString();
        }

        string tar = "cd -- \"$1\" && tar --sort=name --hard-dereference -cf - . | md5sum";
        Assert.Equal(Shell.Bash(tar, source).Checked, Shell.Bash(tar, mount.MountPoint).Checked);
        Shell.Bash("cp -a -- \"$1\" \"$2\"", mount.MountPoint, scratch.File("copy")).Checked.ToString();
        Assert.Equal(Shell.Bash(Attributes, source).Checked, Shell.Bash(Attributes, scratch.File("copy")).Checked);
        Assert.Equal(Shell.Bash(Contents, source).Checked, Shell.Bash(Contents, scratch.File("copy")).Checked);
        Assert.Equal(0, mount.Stat("sourceErrors"));
        Assert.Equal("", mount.Errors);
    }

    [Fact]
    public void A_remount_finds_everything_in_the_cache()
    {
        string source = scratch.Sub("source");
        RandomTree.Create(source, 3, files: 100);
        string expected = Shell.Bash(Contents, source).Checked;
        string inode;
        using (Mounted first = new(scratch.File("mnt"), source, "--cache-dir", scratch.File("cache")))
        {
            Assert.Equal(expected, Shell.Bash(Contents, first.MountPoint).Checked);
            inode = Shell.Bash("stat -c %i -- \"$1/old\"", first.MountPoint).Checked;
        }

        using Mounted second = new(scratch.File("mnt"), source, "--cache-dir", scratch.File("cache"));
        Assert.Equal(expected, Shell.Bash(Contents, second.MountPoint).Checked);
        Assert.Equal(0, second.Stat("bytesFromSource"));
        Assert.Equal(inode, Shell.Bash("stat -c %i -- \"$1/old\"", second.MountPoint).Checked);
    }

    [Fact]
    public void A_sparse_file_of_5_GiB_reads_as_its_source()
    {
        string source = scratch.Sub("source");
        Shell.Bash("""
            set -e
            truncate -s 5G "$1/huge"
            for at in 0 1048575 4294967290 5368709110; do printf 0123456789 | dd of="$1/huge" bs=1 seek=$at conv=notrunc status=none; done
            """, source).Checked.ToString();
        using Mounted mount = new(scratch.File("mnt"), source, "--cache-dir", scratch.File("cache"), "--cache-size", "1GiB");
        string pieces = """
            stat -c '%s %Y' "$1/huge"
            for at in 0 255 1023 2048 4095 4096 5119; do dd if="$1/huge" bs=1M skip=$at count=2 status=none | md5sum; done
            tail -c 10 "$1/huge"
            """;
        Assert.Equal(Shell.Bash(pieces, source).Checked, Shell.Bash(pieces, mount.MountPoint).Checked);
    }

    [Fact]
    public void Two_sources_are_joined_at_their_sub_paths()
    {
        string images = scratch.Sub("images"), labels = scratch.Sub("labels");
        RandomTree.Create(images, 5, files: 40);
        RandomTree.Create(labels, 6, files: 40);
        using Mounted mount = new(scratch.File("mnt"), $"{images}=data/images", $"{labels}=labels", "--cache-dir", scratch.File("cache"));
        Assert.Equal("data\nlabels\n", Shell.Bash("ls \"$1\"", mount.MountPoint).Checked);
        Assert.Equal("", Shell.Bash("diff -r --no-dereference -- \"$1\" \"$2/data/images\"", images, mount.MountPoint).Checked);
        Assert.Equal("", Shell.Bash("diff -r --no-dereference -- \"$1\" \"$2/labels\"", labels, mount.MountPoint).Checked);
    }

    public void Dispose() => scratch.Dispose();
}
