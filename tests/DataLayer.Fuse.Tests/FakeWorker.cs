using System.Collections.Concurrent;

namespace DataLayer.Fuse.Tests;

/// <summary>One answer as a transport got it.</summary>
sealed record SentAnswer(ulong Unique, Errno Error, byte[] Bytes);

/// <summary>A transport without a kernel: messages in by <see cref="FuseWorker.Receive"/>, answers out into a list.</summary>
sealed class FakeWorker : FuseWorker
{
    readonly byte[] _scratch = new byte[1 << 20];

    public FakeWorker(IFuseFileSystem fileSystem, FuseOptions? options = null) : this(fileSystem, options ?? new FuseOptions(), []) { }

    FakeWorker(IFuseFileSystem fileSystem, FuseOptions options, ConcurrentQueue<string> lines)
        : base(new FuseSession(fileSystem, new FuseNegotiation(45, 45, FuseFeatures.None, options.MaxRead, 131072), options with { Log = (_, line) => lines.Enqueue(line) }), 0)
    {
        Lines = lines;
        Session.Workers = [this];
    }

    public new FuseSession Session => base.Session;

    public ConcurrentQueue<SentAnswer> Answers { get; } = new();

    public ConcurrentQueue<string> Lines { get; }

    /// <summary>Set while fuzzing, to count instead of keep.</summary>
    public Action<ulong>? OnAnswer { get; set; }

    public override Memory<byte> Scratch(FuseRequest request, int size) => _scratch;

    protected override Errno Transmit(ulong unique, int ringEntry, Errno error, ReadOnlySpan<byte> head, ReadOnlySpan<byte> data)
    {
        if (OnAnswer is { } count) count(unique);
        else Answers.Enqueue(new SentAnswer(unique, error, [.. head, .. data]));
        return Errno.None;
    }
}
