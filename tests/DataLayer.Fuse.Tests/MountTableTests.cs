using System.Text;
using Xunit;

namespace DataLayer.Fuse.Tests;

public sealed class MountTableTests
{
    [Fact]
    public void A_line_is_read_with_its_escapes_undone()
    {
        MountEntry entry = Assert.Single(MountTable.Parse(Encoding.UTF8.GetBytes(
            @"42 27 0:39 / /mnt/a\040b\011c\012d\134e ro,nosuid,nodev shared:7 master:1 - fuse.datalayer s3://bucket/a\040b ro,user_id=0" + "\n")));
        Assert.Equal("/mnt/a b\tc\nd\\e", Encoding.UTF8.GetString(entry.Path));
        Assert.Equal((42, 0, 39, "fuse.datalayer", "s3://bucket/a b"), (entry.Id, entry.Major, entry.Minor, entry.Type, entry.Source));
    }

    [Fact]
    public void Bytes_that_are_no_utf8_survive_in_a_path()
    {
        byte[] line = [.. "1 2 0:3 / /mnt/"u8, 0xFF, 0xC3, .. " rw - fuse.datalayer x rw\n"u8];
        Assert.Equal((byte[])[.. "/mnt/"u8, 0xFF, 0xC3], Assert.Single(MountTable.Parse(line)).Path);
    }

    [Theory]
    [InlineData("")]
    [InlineData("no mount at all")]
    [InlineData("1 2 0:3 / /mnt rw")]
    [InlineData("x 2 0:3 / /mnt rw - fuse y")]
    [InlineData("1 2 03 / /mnt rw - fuse y")]
    [InlineData("1 2 0:3 / /mnt rw - fuse")]
    public void A_line_that_is_none_is_left_out(string line) => Assert.Empty(MountTable.Parse(Encoding.UTF8.GetBytes(line)));

    [Theory]
    [InlineData(@"a\", @"a\")]
    [InlineData(@"a\04", @"a\04")]
    [InlineData(@"a\999", @"a\999")]
    [InlineData(@"\134040", @"\040")]
    public void Half_an_escape_is_text(string field, string expected) =>
        Assert.Equal("/" + expected, Encoding.UTF8.GetString(Assert.Single(MountTable.Parse(Encoding.UTF8.GetBytes($"1 2 0:3 / /{field} rw - fuse y rw"))).Path));

    [Fact]
    public void The_machine_has_a_root_and_a_proc()
    {
        Assert.NotNull(MountTable.TopAt("/"u8));
        Assert.Equal("proc", MountTable.TopAt("/proc"u8)?.Type);
        Assert.Null(MountTable.TopAt("/no/such/place"u8));
    }

    [Fact]
    public void Commas_and_backslashes_of_a_source_are_escaped_for_the_helper() =>
        Assert.Contains(@"fsname=a\,b\\c,subtype=datalayer", Fusermount.OptionsOf(new FuseOptions { Source = @"a,b\c" }), StringComparison.Ordinal);
}
