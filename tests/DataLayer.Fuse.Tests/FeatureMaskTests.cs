using DataLayer.TestReader;
using Xunit;

namespace DataLayer.Fuse.Tests;

/// <summary>Every kernel feature taken away, one at a time and by age: the same bytes and names, only slower.</summary>
public sealed class FeatureMaskTests
{
    public static TheoryData<FuseFeatures> Features() =>
    [
        FuseFeatures.AsyncRead, FuseFeatures.DoReadDirPlus, FuseFeatures.ReadDirPlusAuto, FuseFeatures.AsyncDio, FuseFeatures.NoOpenSupport,
        FuseFeatures.NoOpenDirSupport, FuseFeatures.ParallelDirOps, FuseFeatures.AbortError, FuseFeatures.MaxPages, FuseFeatures.CacheSymlinks,
        FuseFeatures.ExplicitInvalData, FuseFeatures.InitExt, FuseFeatures.HasExpireOnly, FuseFeatures.HasResend, FuseFeatures.DirectIoAllowMmap,
        FuseFeatures.Passthrough, FuseFeatures.OverIoUring, (FuseFeatures)ulong.MaxValue,
    ];

    [Theory]
    [MemberData(nameof(Features))]
    public void Without_one_feature_everything_reads_the_same(FuseFeatures disabled) => Check(new FuseOptions { DisabledFeatures = disabled }, disabled);

    [Theory]
    [InlineData(31)]
    [InlineData(33)]
    [InlineData(35)]
    [InlineData(36)]
    [InlineData(38)]
    [InlineData(39)]
    [InlineData(40)]
    [InlineData(42)]
    [InlineData(44)]
    public void With_an_older_protocol_everything_reads_the_same(int minor) => Check(new FuseOptions { MaxMinor = minor }, FuseFeatures.None);

    static void Check(FuseOptions options, FuseFeatures disabled)
    {
        MemoryFileSystem files = new();
        MemoryNode directory = files.AddDirectory(files.Root, "dir");
        List<(string Name, MemoryNode File)> all = [];
        for (int i = 0; i < 150; i++) all.Add(($"dir/f{i}", files.AddFile(directory, $"f{i}", i * 37)));
        all.Add(("large", files.AddFile(files.Root, "large", 3_000_001)));
        files.AddLink(files.Root, "link", "dir");
        using TestMount mount = new(files, options);
        Assert.Equal(FuseFeatures.None, mount.Connection.Negotiation.Features & disabled);
        Assert.Equal(Math.Min(options.MaxMinor, mount.Connection.Negotiation.KernelMinor), mount.Connection.Negotiation.Minor);
        for (int round = 0; round < 2; round++)
        {
            // The directory counts twice, once through its link.
            string list = mount.Reader.Ask("list", mount.At(""));
            Assert.Equal(all.Count + 2 + 150, list.Split(' ').Length - 1);
            mount.Verify("large", all[^1].File, "direct", "random", "mmap", "sequential");
            foreach ((string name, MemoryNode file) in all.Take(20)) mount.Verify(name, file, "sequential");
            mount.Verify("link/f149", all[149].File, "odd", "sendfile");
            Assert.Equal("ok " + Convert.ToHexString("dir"u8), mount.Reader.Ask("readlink", mount.At("link")));
        }
        Assert.Empty(mount.Lines);
    }
}
