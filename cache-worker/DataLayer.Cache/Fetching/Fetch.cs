using DataLayer.Formats;

namespace DataLayer.Cache;

internal enum FetchOutcome
{
    /// <summary>The bytes are in the fetch's buffer while one holds a reference.</summary>
    InMemory,
    /// <summary>Another process brought them into the store meanwhile.</summary>
    InStore,
    /// <summary>See <see cref="Fetch.Fault"/>.</summary>
    Failed,
    /// <summary>Given up unread; who still wants the bytes starts again.</summary>
    Cancelled,
}

/// <summary>
/// One read from a source: a whole unit, or several adjacent units of a large file. Everyone who wants one of these units
/// waits for this one object. It lives in the <see cref="FetchTable"/> until its bytes are in the store, or as long as
/// the table keeps them in memory. References: one for the pipeline, one for each waiter; the last returns the buffer.
/// </summary>
internal sealed class Fetch
{
    readonly TaskCompletionSource<FetchOutcome> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    int _references = 1;
    int _started;

    public Fetch(FetchQueue queue, in FileLocation file, BlockFile? block, in Unit first, int count, bool demanded)
    {
        Queue = queue;
        File = file;
        Block = block;
        First = first;
        IsDemanded = demanded;
        SetCount(count);
    }

    /// <summary>The mount whose source is read; a waiter may belong to another one.</summary>
    public FetchQueue Queue { get; }
    public FileLocation File { get; }
    public Unit First { get; }
    public int Count { get; private set; }

    /// <summary>Bytes of all its units.</summary>
    public int Length { get; private set; }

    /// <summary>Where the bytes go, or null when the block is not admitted.</summary>
    public BlockFile? Block { get; private set; }

    /// <summary>A reader waits for it: before anything in the background.</summary>
    public bool IsDemanded { get; set; }

    public FetchBuffer? Buffer { get; set; }
    public SourceException? Fault { get; private set; }
    public Task<FetchOutcome> Completion => _completion.Task;

    public UnitKey Key(int index) => new(File.BlockFile, First.Index + index, Queue.Lane);

    public UnitRange Range => new(File, First.Index, Count);

    public Unit UnitAt(int index) => index == 0 ? First : Unit.OfLarge(File.Length, First.Index + index);

    /// <summary>Before it is published only.</summary>
    public void SetCount(int count)
    {
        Count = count;
        Unit last = UnitAt(count - 1);
        Length = (int)(last.Start + last.Length - First.Start);
    }

    /// <summary>True for one caller only: a fetch may stand in the queue twice, once demanded.</summary>
    public bool TryStart() => Interlocked.Exchange(ref _started, 1) == 0;

    public bool IsStarted => Volatile.Read(ref _started) != 0;

    public void WithoutBlock() => Block = null;

    public void Complete(FetchOutcome outcome, SourceException? fault = null)
    {
        Fault = fault;
        _completion.TrySetResult(outcome);
    }

    public bool TryAddReference()
    {
        for (int seen = Volatile.Read(ref _references); seen > 0;)
        {
            int now = Interlocked.CompareExchange(ref _references, seen + 1, seen);
            if (now == seen) return true;
            seen = now;
        }
        return false;
    }

    public void Release()
    {
        if (Interlocked.Decrement(ref _references) != 0) return;
        FetchBuffer? buffer = Buffer;
        Buffer = null;
        buffer?.Return();
    }

    /// <summary>The bytes of one unit, for a holder of a reference after <see cref="FetchOutcome.InMemory"/>.</summary>
    public ReadOnlySpan<byte> BytesOf(in Unit unit) =>
        Buffer!.GetSpan().Slice((int)(unit.Start - First.Start), unit.Length);
}

/// <summary>
/// Fetches of different lanes never wait for each other. A worker has two: what it fetches as a home, from sources, and
/// what it fetches from other homes. Were they one, two workers that differ about who is the home could each wait for
/// the other's answer.
/// </summary>
internal enum FetchLane : byte
{
    Home,
    Copies,
}

internal readonly record struct UnitKey(BlockFileId Block, int Unit, FetchLane Lane);
