using DataLayer.Formats;
using DataLayer.Sources.Nfs;

namespace DataLayer.Sources.Tests.Nfs;

public sealed class NfsLocationTests
{
    [Theory]
    [InlineData("nfs://nas/data", "nfs://nas/data")]
    [InlineData("NFS://NAS.Example.com/Data/", "nfs://nas.example.com/Data")]
    [InlineData("nfs://nas//data/./train//", "nfs://nas/data/train")]
    [InlineData("nfs://nas", "nfs://nas/")]
    [InlineData("nfs://nas/", "nfs://nas/")]
    [InlineData("nfs://nas/data?version=3", "nfs://nas/data")]
    [InlineData("nfs://nas:2049/data?version=4", "nfs://nas/data?version=4")]
    [InlineData("nfs://nas/data?version=4.0", "nfs://nas/data?version=4")]
    [InlineData("nfs://nas:2049/data", "nfs://nas:2049/data")]
    [InlineData("nfs://nas:12049/data?version=4", "nfs://nas:12049/data?version=4")]
    [InlineData("nfs://nas:2049/data?mountport=20048&version=3", "nfs://nas:2049/data?mountport=20048")]
    [InlineData("nfs://[FE80:0::1]:99/d?version=4", "nfs://[fe80::1]:99/d?version=4")]
    [InlineData("nfs://[::1]/d", "nfs://[::1]/d")]
    [InlineData("nfs://10.0.0.1/a%20b", "nfs://10.0.0.1/a b")]
    [InlineData("nfs://nas/a b", "nfs://nas/a b")]
    [InlineData("nfs://nas/50%25/%3f%23", "nfs://nas/50%25/%3F%23")]
    [InlineData("nfs://nas/d%C3%A9j%c3%a0", "nfs://nas/déjà")]
    [InlineData("nfs://nas/%ff%FE%0a", "nfs://nas/%FF%FE%0A")]
    [InlineData("nfs://nas/a%2fb", "nfs://nas/a/b")]
    public void A_place_has_one_spelling_that_parses_to_itself(string text, string identity)
    {
        NfsLocation location = NfsLocation.Parse(text);
        Assert.Equal(identity, location.Identity);
        NfsLocation again = NfsLocation.Parse(identity);
        Assert.Equal(identity, again.Identity);
        Assert.Equal(location.Path, again.Path);
    }

    [Theory]
    [InlineData("nfs:///data", "no server")]
    [InlineData("nfs://", "no server")]
    [InlineData("nfs://na s/data", "not a server's name")]
    [InlineData("nfs://me:secret@nas/data", "no user")]
    [InlineData("nfs://nas:0/data", "not a port")]
    [InlineData("nfs://nas:65536/data", "not a port")]
    [InlineData("nfs://nas:x/data", "not a port")]
    [InlineData("nfs://nas:/data", "not a port")]
    [InlineData("nfs://[::1/data", "IPv6")]
    [InlineData("nfs://[1.2.3.4]/data", "IPv6")]
    [InlineData("nfs://nas/data?version=2", "version '2' is not supported")]
    [InlineData("nfs://nas/data?version=4.1", "version '4.1' is not supported")]
    [InlineData("nfs://nas/data?version", "version '' is not supported")]
    [InlineData("nfs://nas/data?version=3&version=4", "given twice")]
    [InlineData("nfs://nas/data?uid=0", "'uid' is not an option")]
    [InlineData("nfs://nas/data?version=4&mountport=1", "mountport belongs to version 3")]
    [InlineData("nfs://nas/../etc", "'..'")]
    [InlineData("nfs://nas/a/%2e%2e/b", "'..'")]
    [InlineData("nfs://nas/a%00b", "NUL")]
    [InlineData("nfs://nas/a%g0", "'%'")]
    [InlineData("nfs://nas/a%", "'%'")]
    [InlineData("nfs://nas/a#b", "'#'")]
    [InlineData("nfs://nas/a\nb", "control character")]
    public void A_wrong_name_is_refused_with_one_line_that_says_why(string text, string why)
    {
        SourceException e = Assert.Throws<SourceException>(() => SourceFactory.Open(text, new SourceOptions()));
        Assert.Equal(SourceFault.Misconfigured, e.Fault);
        Assert.Contains(why, e.Message);
        Assert.DoesNotContain('\n', e.Message);
        Assert.DoesNotContain("secret", e.Message);
    }

    [Fact]
    public void A_path_longer_than_nfs_allows_is_refused() =>
        Assert.Contains("longer", Assert.Throws<SourceException>(() => NfsLocation.Parse("nfs://nas/" + new string('a', 1024))).Message);

    [Fact]
    public void Without_libnfs_the_message_names_the_package()
    {
        SourceException e = Assert.Throws<SourceException>(() => Libnfs.Require("libnfs.so.not-there"));
        Assert.Equal(SourceFault.Misconfigured, e.Fault);
        Assert.Contains("apt install libnfs13", e.Message);
    }
}
