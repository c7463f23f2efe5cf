using DataLayer.FuseFs.Diagnosis;
using Xunit;

namespace DataLayer.FuseFs.Tests;

/// <summary>How the doctor reads what the kernel tells.</summary>
public sealed class MachineChecksTests
{
    static readonly string[] Mounts =
    [
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
        "23 22 0:5 / /private rw - tmpfs tmpfs rw",
        "24 23 0:6 / /private/shared rw master:3 shared:2 - tmpfs tmpfs rw",
    ];

    [Theory]
    [InlineData("/data", true)]
    [InlineData("/", true)]
    [InlineData("/private", false)]
    [InlineData("/private/deep/path", false)]
    [InlineData("/privateer", true)]
    [InlineData("/private/shared/mnt", true)]
    public void Propagation_is_that_of_the_mount_around_the_path(string path, bool shared) =>
        Assert.Equal(shared ? Verdict.Good : Verdict.Limited, MachineChecks.Propagation(path, Mounts).Verdict);

    [Theory]
    [InlineData("Max open files            1024                 524288               files     \n", 524288)]
    [InlineData("Max cpu time unlimited unlimited seconds\nMax open files            unlimited            unlimited            files     \n", long.MaxValue)]
    public void The_hard_limit_is_read(string limits, long expected) => Assert.Equal(expected, MachineChecks.HardLimit(limits, "Max open files"));
}
