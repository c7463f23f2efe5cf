using System.Buffers.Binary;
using System.Collections.Concurrent;
using DataLayer.Formats;

namespace DataLayer.Cache.Tests;

/// <summary>Serves <see cref="FakeSnapshot.Content(int, int, long, Span{byte})"/>, counts what it sends, and fails as told.</summary>
internal sealed class FakeSource : ISource
{
    long _reads, _bytes, _running, _mostRunning;

    public string Identity => "fake://source";
    public long Reads => Interlocked.Read(ref _reads);
    public long Bytes => Interlocked.Read(ref _bytes);
    public long MostRunning => Interlocked.Read(ref _mostRunning);
    public ConcurrentDictionary<int, int> ReadsOfFile { get; } = new();

    /// <summary>Waits before answering; the argument is the file.</summary>
    public Func<int, CancellationToken, Task>? Before { get; set; }

    /// <summary>A fault for this read, or null.</summary>
    public Func<int, SourceException?>? Fault { get; set; }

    public async ValueTask ReadAsync(SourceFile file, long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        int seed = BinaryPrimitives.ReadInt32LittleEndian(file.Key), index = BinaryPrimitives.ReadInt32LittleEndian(file.Key.AsSpan(4));
        if (offset < 0 || offset + destination.Length > file.Size || destination.Length == 0) throw new ArgumentOutOfRangeException(nameof(offset));
        Interlocked.Increment(ref _reads);
        ReadsOfFile.AddOrUpdate(index, 1, (_, n) => n + 1);
        long running = Interlocked.Increment(ref _running);
        for (long seen = MostRunning; running > seen; seen = MostRunning) Interlocked.CompareExchange(ref _mostRunning, running, seen);
        try
        {
            if (Before != null) await Before(index, cancellation);
            cancellation.ThrowIfCancellationRequested();
            if (Fault?.Invoke(index) is { } fault) throw fault;
            FakeSnapshot.Content(seed, index, offset, destination.Span);
            Interlocked.Add(ref _bytes, destination.Length);
        }
        finally
        {
            Interlocked.Decrement(ref _running);
        }
    }

    public IAsyncEnumerable<IReadOnlyList<SourceEntry>> ListAsync(CancellationToken cancellation) => throw new NotSupportedException();
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
