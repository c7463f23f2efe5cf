using DataLayer.FuseFs.Holding;
using DataLayer.TestKit;
using Xunit;

namespace DataLayer.EndToEnd.Tests.Holding;

/// <summary>What a holder does beside handing over: losing it, crash loops, upgrades that fail, mounts that change.</summary>
public sealed class HoldTests : IDisposable
{
    readonly ScratchDirectory scratch = new();

    string Source(string content)
    {
        string source = scratch.Sub("source");
        File.WriteAllText(Path.Combine(source, "file"), content);
        return source;
    }

    HeldMounted Mount(string source, params string[] arguments) => new(scratch.File("mnt"), [source, "--cache-dir", scratch.File("cache"), .. arguments]);

    /// <summary>The content, or the error of a shell that reads it again from us, not from the page cache.</summary>
    string Read() => Shell.Bash("dd if=\"$1/file\" iflag=direct bs=4k status=none 2>&1", scratch.File("mnt")).Output;

    [Fact]
    public void A_holder_that_is_killed_is_replaced_and_the_mount_serves_on_through_later_deaths()
    {
        using HeldMounted mount = Mount(Source("content"));
        HoldStatus before = mount.WaitForStandby();
        mount.KillHolder();
        HoldStatus after = mount.WaitFor(status => status.Holder != before.Holder && status.Standby > 0);
        Assert.Equal(before.Serving, after.Serving);
        Assert.NotEqual(before.Standby, after.Standby);
        Assert.Equal("content", Read());
        Assert.NotEqual(before.Serving, mount.KillServing().Serving);
        Assert.Equal("content", Read());
        Assert.Null(mount.Upgrade());
        Assert.Equal("content", Read());
    }

    [Fact]
    public void A_program_that_always_dies_makes_calls_fail_in_bounded_time_and_a_working_one_is_taken_up_again()
    {
        string broken = scratch.File("broken");
        using HeldMounted mount = Mount(Source("content"), "--no-standby", "--hold-patience", "2s");
        mount.WaitFor(static status => status.Serving > 0);
        // Successors are started with the program that serves now; what lies at its path is broken from here on.
        string program = scratch.File("program");
        File.WriteAllText(program, $"#!/bin/sh\n[ -e '{broken}' ] && exit 1\nexec dotnet '{DlFuse.Assembly}' \"$@\"\n");
        Shell.Bash("chmod +x \"$1\"", program).Checked.ToString();
        Assert.Null(mount.Upgrade(program));
        File.WriteAllText(broken, "");
        Shell.Bash("kill -9 $1", $"{mount.Status.Serving}").Checked.ToString();
        Assert.Contains("Input/output error", Read());
        Assert.True(mount.WaitFor(static status => status.IsRefusing).Serving == 0);
        File.Delete(broken);
        mount.WaitFor(static status => status is { Serving: > 0, IsRefusing: false });
        Assert.Equal("content", Read());
    }

    [Theory]
    [InlineData("exit 1")]
    [InlineData("exec sleep 1000")]
    public async Task An_upgrade_to_a_program_that_does_not_become_ready_is_refused_and_the_old_one_serves_on(string script)
    {
        using HeldMounted mount = Mount(Source("content"));
        int serving = mount.WaitForStandby().Serving;
        string program = scratch.File("program");
        File.WriteAllText(program, $"#!/bin/sh\n{script}\n");
        Shell.Bash("chmod +x \"$1\"", program).Checked.ToString();
        if (script == "exit 1") Assert.Contains("served as before", mount.Upgrade(program));
        else
        {
            Task<string?> upgrade = Task.Run(() => mount.Upgrade(program));
            // It would be ended after a minute; here somebody loses patience.
            Await.Until(() => Shell.Bash("kill -9 $(ps --ppid $1 -o pid=,comm= | awk '$2 == \"sleep\" { print $1 }')", $"{mount.Status.Holder}").ExitCode == 0, HeldMounted.Patience, () => "the program was not started");
            Assert.Contains("served as before", await upgrade);
        }

        Assert.Equal("content", Read());
        Assert.Equal(serving, mount.Status.Serving);
    }

    [Fact]
    public void An_upgrade_whose_program_dies_when_it_is_to_serve_is_rolled_back()
    {
        using HeldMounted mount = Mount(Source("content"));
        int serving = mount.WaitForStandby().Serving;
        string program = scratch.File("program");
        File.WriteAllText(program, $"#!/bin/sh\nexec '{SoakReaders.Program}' impostor \"$2\" \"$3\"\n");
        Shell.Bash("chmod +x \"$1\"", program).Checked.ToString();
        Assert.Contains("served as before", mount.Upgrade(program));
        Assert.Equal("content", Read());
        Assert.Equal(serving, mount.WaitFor(static status => status.Serving > 0).Serving);
    }

    [Fact]
    public void A_following_mount_shows_after_a_takeover_what_it_showed_before()
    {
        string source = Source("one");
        using HeldMounted mount = Mount(source, "--refresh", "1s");
        mount.WaitForStandby();
        Assert.Equal("one", Read());
        File.WriteAllText(Path.Combine(source, "file"), "second");
        Await.Until(() => Read() == "second", HeldMounted.Patience, () => mount.Errors);
        mount.KillServing();
        Assert.Equal("second", Read());
        File.WriteAllText(Path.Combine(source, "file"), "third one");
        Await.Until(() => Read() == "third one", HeldMounted.Patience, () => mount.Errors);
    }

    [Fact]
    public void Stats_and_warm_work_with_whoever_serves()
    {
        using HeldMounted mount = Mount(Source("content"));
        mount.WaitForStandby();
        int after = mount.KillServing().Serving;
        Await.Until(() => DlFuse.Run("stats", mount.MountPoint, "--json") is { ExitCode: 0 } stats && stats.Output.Contains($"\"pid\": {after}"), HeldMounted.Patience, () => mount.Errors);
        Assert.Contains("warmed 1 files", DlFuse.Run("warm", mount.MountPoint).Checked);
        Assert.Contains($"process {after}", DlFuse.Run("held", mount.MountPoint).Checked);
        Assert.Contains("upgraded", DlFuse.Run("upgrade", mount.MountPoint).Checked);
        Assert.Contains("no such file", DlFuse.Run("upgrade", mount.MountPoint, "--binary", "/nowhere/dl-fuse").Errors);
    }

    public void Dispose()
    {
        Shell.Bash("umount -l \"$1\" 2>/dev/null; true", scratch.File("mnt"));
        scratch.Dispose();
    }
}
