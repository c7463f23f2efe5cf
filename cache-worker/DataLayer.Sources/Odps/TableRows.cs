using DataLayer.Formats;
using DataLayer.Formats.Tabular;
using DataLayer.Formats.Tabular.Parquet;

namespace DataLayer.Sources.Odps;

/// <summary>
/// Generates the bytes of row views. Reads that follow one another share a <see cref="RowCursor"/>, so that reading a view
/// from end to end decodes every page once; a read anywhere else opens one at the span it needs. Safe for concurrent use.
/// </summary>
sealed class TableRows : IDisposable
{
    // A cursor holds pages and read-ahead of one row group, a few dozen MiB. Four keep both a sequential reader and some
    // random ones going within what a mount may use.
    const int MostCursors = 4;

    // Indexes of a few MiB and footers of some hundred KiB each.
    const int KeptInputs = 32;

    static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(20);

    readonly ISource source;
    readonly TableFolders folders;
    readonly Lock gate = new();
    readonly List<RowCursor> cursors = [];
    readonly LinkedList<(Digest Id, Task<OpenInput> Input)> inputs = new();
    readonly SemaphoreSlim room = new(MostCursors);
    readonly Timer sweep;

    public TableRows(ISource source, TableFolders folders)
    {
        this.source = source;
        this.folders = folders;
        sweep = new Timer(_ => DropIdle());
    }

    /// <summary>An input file that is being read: its index and, for Parquet, its footer.</summary>
    public sealed record OpenInput(RowIndex Index, ParquetFile? Parquet);

    /// <summary>Fills <paramref name="destination"/> from <paramref name="offset"/> of a view.</summary>
    public async ValueTask ReadAsync(Digest id, StoredTable table, RowFormat format, long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        // Decoding is work for a thread of the pool, not for the one that takes requests from the kernel.
        await Task.Yield();
        RowCursor cursor;
        Task turn;
        TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
        {
            cursor = cursors.Find(one => one.Continues(id, format, offset)) ?? NewCursor(id, table, format);
            turn = cursor.Queue(offset + destination.Length, done.Task);
        }
        try
        {
            await turn.WaitAsync(cancellation);
            await room.WaitAsync(cancellation);
            try
            {
                await cursor.ReadAsync(offset, destination, cancellation);
            }
            catch
            {
                // Where it stands is not known.
                cursor.Reset();
                throw;
            }
            finally
            {
                room.Release();
            }
        }
        finally
        {
            // Those behind go on in any case, after this one left the cursor.
            if (turn.IsCompleted) done.SetResult();
            else _ = turn.ContinueWith(_ => done.SetResult(), TaskScheduler.Default);
            sweep.Change(IdleTime, Timeout.InfiniteTimeSpan);
        }
    }

    RowCursor NewCursor(Digest id, StoredTable table, RowFormat format)
    {
        while (cursors.Count >= MostCursors && cursors.Where(one => one.IsIdle).MinBy(one => one.LastUsed) is { } oldest)
        {
            cursors.Remove(oldest);
            oldest.Dispose();
        }
        RowCursor cursor = new(this, source, id, table, format);
        cursors.Add(cursor);
        return cursor;
    }

    void DropIdle()
    {
        lock (gate)
        {
            long now = Environment.TickCount64;
            foreach (RowCursor idle in cursors.Where(one => one.IsIdle && now - one.LastUsed >= IdleTime.TotalMilliseconds).ToArray())
            {
                cursors.Remove(idle);
                idle.Dispose();
            }
            if (cursors.Count > 0) sweep.Change(IdleTime, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Index and footer of an input; shared by who asks at the same time, and not remembered when that fails.</summary>
    public Task<OpenInput> OpenAsync(RowRecipe recipe)
    {
        Digest id = recipe.Id(source.Identity);
        lock (gate)
        {
            for (LinkedListNode<(Digest Id, Task<OpenInput> Input)>? node = inputs.First; node is not null; node = node.Next)
            {
                if (node.Value.Id != id) continue;
                inputs.Remove(node);
                if (node.Value.Input.IsFaulted || node.Value.Input.IsCanceled) break;
                inputs.AddFirst(node);
                return node.Value.Input;
            }
            // Not under the first caller's token: others may wait for it.
            Task<OpenInput> opening = Task.Run(() => OpenAsync(id, recipe));
            inputs.AddFirst((id, opening));
            if (inputs.Count > KeptInputs) inputs.RemoveLast();
            return opening;
        }
    }

    async Task<OpenInput> OpenAsync(Digest id, RowRecipe recipe)
    {
        ParquetFile? parquet = recipe.Format == TableFormat.Parquet ? await RowStream.OpenParquetAsync(source, recipe, CancellationToken.None) : null;
        if (folders.TryRead(id, "rows") is { } stored) return new OpenInput(RowIndex.Decode(stored), parquet);
        // The index is a function of the recipe: one that was lost is made again.
        RowIndex index = await RowIndexer.BuildAsync(source, recipe, parquet, _ => { }, CancellationToken.None);
        folders.Write(id, "rows", index.Encode());
        return new OpenInput(index, parquet);
    }

    public void Dispose()
    {
        sweep.Dispose();
        lock (gate)
        {
            foreach (RowCursor cursor in cursors.Where(one => one.IsIdle)) cursor.Dispose();
            cursors.Clear();
        }
        room.Dispose();
    }
}
