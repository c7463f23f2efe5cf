using DataLayer.TestReader;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace DataLayer.Fuse.Tests;

/// <summary>Pausing, leaving and taking over a connection, with and without the kernel's help.</summary>
public sealed class TakeoverTests : IDisposable
{
    readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("fuse-test-");
    FuseHandover? _held;

    public static TheoryData<FuseFeatures, FuseTransportKind> Ways => new()
    {
        { FuseFeatures.None, FuseTransportKind.ClonedDescriptors },
        { FuseFeatures.HasResend, FuseTransportKind.ClonedDescriptors },
        { FuseFeatures.None, FuseTransportKind.SingleDescriptor },
        { FuseFeatures.HasResend, FuseTransportKind.SingleDescriptor },
    };

    string MountPoint => _directory.FullName;

    /// <summary>What a holder keeps, and a copy for who serves: descriptors travel over a socket.</summary>
    FuseHandover Copy()
    {
        string path = MountPoint + ".sock";
        using DescriptorSocket listener = DescriptorSocket.Listen(path);
        using DescriptorSocket sender = DescriptorSocket.TryConnect(path)!;
        using DescriptorSocket receiver = listener.Accept();
        File.Delete(path);
        SafeFileHandle[] all = [.. _held!.Devices, .. _held.Journal is { } journal ? [journal] : Array.Empty<SafeFileHandle>()];
        Assert.True(sender.Send([1], all));
        receiver.Receive(out SafeFileHandle[] copies);
        return _held with { Devices = copies[.._held.Devices.Count], Journal = _held.Journal is null ? null : copies[^1] };
    }

    FuseOptions Hold(FuseFeatures without, FuseTransportKind transport)
    {
        FuseOptions options = new() { DisabledFeatures = without, Transport = transport };
        _held = FuseHandover.MountHeld(MountPoint, options);
        Assert.Equal(without.HasFlag(FuseFeatures.HasResend) || !_held.Negotiation!.Has(FuseFeatures.HasResend), _held.Journal is not null);
        Assert.False(_held.Negotiation!.Has(FuseFeatures.OverIoUring));
        return options;
    }

    static MemoryFileSystem Files(MemoryFileKind kind)
    {
        MemoryFileSystem files = new();
        files.AddFile(files.Root, "slow", 100_000, kind);
        files.AddFile(files.Root, "file", 300_000);
        return files;
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task What_is_left_unanswered_is_answered_by_the_successor(FuseFeatures without, FuseTransportKind transport)
    {
        FuseOptions options = Hold(without, transport);
        MemoryFileSystem files = Files(MemoryFileKind.Hangs);
        FuseConnection first = FuseConnection.Attach(Copy(), files, options);
        using TestReader reader = new(), other = new();
        Task<string> slow = reader.AskAsync("verify", "sequential", TestReader.Word(MountPoint + "/slow"), 2, 100_000);
        List<FuseRequest> hanging = [];
        for (long deadline = Environment.TickCount64 + 30_000; hanging.Count == 0 && Environment.TickCount64 < deadline; await Task.Delay(5)) hanging.AddRange(files.TakeHanging());
        Assert.NotEmpty(hanging);
        Assert.True(first.TryPause(TestReader.Patience));
        // Asked while nobody serves.
        Task<string> late = other.AskAsync("verify", "random", TestReader.Word(MountPoint + "/file"), 3, 300_000);
        first.Leave();
        using FuseConnection second = FuseConnection.Attach(Copy(), Files(MemoryFileKind.Normal), options);
        Assert.Equal("ok", await slow.WaitAsync(TestReader.Patience));
        Assert.Equal("ok", await late.WaitAsync(TestReader.Patience));
        // The predecessor's answer comes too late, and goes nowhere.
        foreach (FuseRequest request in hanging) request.ReplyError(Errno.EIO);
        Assert.Equal("ok", await other.AskAsync("verify", "mmap", TestReader.Word(MountPoint + "/slow"), 2, 100_000));
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_paused_connection_serves_on_when_it_is_resumed(FuseFeatures without, FuseTransportKind transport)
    {
        FuseOptions options = Hold(without, transport);
        using FuseConnection connection = FuseConnection.Attach(Copy(), Files(MemoryFileKind.Late), options);
        using TestReader reader = new();
        for (int round = 0; round < 20; round++)
        {
            Task<string> reading = reader.AskAsync("verify", "direct", TestReader.Word(MountPoint + "/slow"), 2, 100_000);
            Assert.True(connection.TryPause(TestReader.Patience));
            connection.Resume();
            Assert.Equal("ok", await reading.WaitAsync(TestReader.Patience));
        }
        Assert.False(connection.Completion.IsCompleted);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Without_anybody_to_serve_callers_get_an_error_and_later_ones_are_served(FuseFeatures without, FuseTransportKind transport)
    {
        FuseOptions options = Hold(without, transport);
        MemoryFileSystem files = Files(MemoryFileKind.Hangs);
        FuseConnection first = FuseConnection.Attach(Copy(), files, options);
        using TestReader reader = new();
        Task<string> slow = reader.AskAsync("verify", "sequential", TestReader.Word(MountPoint + "/slow"), 2, 100_000);
        List<FuseRequest> hanging = [];
        for (long deadline = Environment.TickCount64 + 30_000; hanging.Count == 0 && Environment.TickCount64 < deadline; await Task.Delay(5)) hanging.AddRange(files.TakeHanging());
        Assert.True(first.TryPause(TestReader.Patience));
        first.Leave();
        using CancellationTokenSource stop = new();
        Task refusing = Task.Run(() => _held!.Refuse(Errno.EIO, stop.Token));
        Assert.Equal("errno 5", await slow.WaitAsync(TestReader.Patience));
        Assert.Equal("errno 5", await reader.AskAsync("read-errno", TestReader.Word(MountPoint + "/unknown")));
        await stop.CancelAsync();
        await refusing.WaitAsync(TestReader.Patience);
        using FuseConnection second = FuseConnection.Attach(Copy(), Files(MemoryFileKind.Normal), options);
        Assert.Equal("ok", await reader.AskAsync("verify", "sequential", TestReader.Word(MountPoint + "/slow"), 2, 100_000));
        Assert.False(_held!.IsEnded);
        _held.Abort();
        Assert.True(_held.IsEnded);
    }

    public void Dispose()
    {
        _held?.Unmount();
        _held?.Dispose();
        _directory.Delete();
    }
}
