using DataLayer.Formats.Tabular.Parquet.Codecs;

namespace DataLayer.Formats.Tabular.Parquet;

/// <summary>
/// Reads the rows of one row group in batches, fetching only the chunks of the columns asked for. Holds about one page
/// and one stretch of read-ahead per column. One thread at a time.
/// </summary>
public sealed class RowGroupReader : IDisposable
{
    // A gap that costs less to fetch than a further request does.
    const long CoalescedGap = 64 << 10;

    // parquet-mr before 1.10 left a dictionary page's header, of less than this, out of the chunk's size (PARQUET-816).
    const int MissingFromSize = 100;

    // Below this a stretch would mean more requests than the memory is worth.
    const int SmallestReadAhead = 64 << 10;

    // Rows of nested columns may be long, and their pages stay in memory until the batch is written.
    const long NestedBatchBytes = 8 << 20;

    readonly IRandomAccess file;
    readonly RowGroup group;
    readonly ParquetReadOptions options;
    readonly MemoryBudget budget;
    readonly ColumnChunkReader[] readers;
    readonly ChunkWindow[] windows;
    readonly ColumnChunk[] chunks;
    readonly List<byte[]> fetched = [];
    readonly RowBatch batch;
    readonly int batchRows;
    bool opened;
    bool disposed;

    internal RowGroupReader(IRandomAccess file, RowGroup group, RowSchema schema, long dataEnd, ParquetReadOptions options)
    {
        this.file = file;
        this.group = group;
        this.options = options;
        budget = new MemoryBudget(options.MemoryLimit);
        RowsLeft = group.RowCount;
        chunks = [.. schema.Columns.Select(column => group.Columns[column.LeafIndex])];
        var sites = new FaultSite[chunks.Length];
        windows = new ChunkWindow[chunks.Length];
        readers = new ColumnChunkReader[chunks.Length];
        int readAhead = Math.Max(SmallestReadAhead, options.ReadAhead / Math.Max(1, chunks.Length));
        batchRows = options.BatchRows;
        for (int i = 0; i < chunks.Length; i++)
        {
            ColumnChunk chunk = chunks[i];
            sites[i] = new FaultSite(file.Name, chunk.Column.Path) { Offset = chunk.Offset };
            Check(chunk, sites[i]);
            windows[i] = new ChunkWindow(file, Math.Min(dataEnd, chunk.Offset + chunk.CompressedSize + MissingFromSize), readAhead, budget, sites[i]);
            readers[i] = new ColumnChunkReader(chunk, windows[i], budget, options.VerifyChecksums, sites[i]);
            if (readers[i].IsNested && chunk.UncompressedSize > 0)
            {
                batchRows = (int)Math.Clamp(NestedBatchBytes * group.RowCount / (double)chunk.UncompressedSize, 1, batchRows);
            }
        }
        batch = new RowBatch(schema, [.. readers.Select(reader => reader.Vector)], sites);
    }

    /// <summary>Rows that were neither read nor skipped.</summary>
    public long RowsLeft { get; private set; }

    /// <summary>The next rows, or null after the last. The batch is valid until the next call.</summary>
    public async ValueTask<RowBatch?> ReadAsync(CancellationToken cancel = default)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (RowsLeft == 0)
        {
            foreach (ColumnChunkReader reader in readers) reader.CheckFinished();
            return null;
        }
        if (!opened) await OpenAsync(cancel);
        int rows = (int)Math.Min(batchRows, RowsLeft);
        // A batch ends where a page of some flat column does, so that values can stay in the pages.
        foreach (ColumnChunkReader reader in readers)
        {
            reader.StartBatch();
            if (reader.IsNested) continue;
            if (reader.PageRows == 0) await reader.EnsurePageAsync(cancel);
            rows = Math.Min(rows, reader.PageRows);
        }
        foreach (ColumnChunkReader reader in readers)
        {
            if (reader.IsNested) await reader.ReadNestedAsync(rows, cancel);
            else reader.DecodeRows(rows);
        }
        RowsLeft -= rows;
        batch.Restart(rows);
        return batch;
    }

    /// <summary>Passes over rows; at least that many must be left.</summary>
    public async ValueTask SkipAsync(long rows, CancellationToken cancel = default)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, RowsLeft);
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        if (rows == 0) return;
        if (!opened) await OpenAsync(cancel);
        foreach (ColumnChunkReader reader in readers)
        {
            if (!reader.IsNested)
            {
                await reader.SkipRowsAsync(rows, cancel);
                continue;
            }
            for (long left = rows; left > 0; left -= Math.Min(left, batchRows))
            {
                reader.StartBatch();
                await reader.ReadNestedAsync((int)Math.Min(left, batchRows), cancel);
            }
        }
        RowsLeft -= rows;
    }

    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        foreach (ColumnChunkReader reader in readers) reader.Dispose();
        foreach (byte[] buffer in fetched) budget.Return(buffer);
        fetched.Clear();
    }

    static void Check(ColumnChunk chunk, FaultSite site)
    {
        if (chunk.Encrypted) throw site.Fault(TabularFault.Encrypted, "the column is encrypted, and this reader holds no keys");
        if (chunk.OtherFile is { Length: > 0 } other) throw site.Unsupported($"the column is in another file, {other}");
        if (chunk.Codec == Codec.Lzo) throw PageDecompressor.Refusal(chunk.Codec, site);
    }

    /// <summary>Fetches a small row group's chunks at once, neighbours in one request; larger ones are left to the windows.</summary>
    async ValueTask OpenAsync(CancellationToken cancel)
    {
        opened = true;
        if (chunks.Sum(chunk => (double)chunk.CompressedSize) > options.ReadAhead) return;
        int[] order = [.. Enumerable.Range(0, chunks.Length).OrderBy(i => chunks[i].Offset)];
        for (int first = 0; first < order.Length;)
        {
            long start = chunks[order[first]].Offset;
            long end = windows[order[first]].End;
            int next = first + 1;
            while (next < order.Length && chunks[order[next]].Offset <= end + CoalescedGap)
            {
                long further = Math.Max(end, windows[order[next]].End);
                if (further - start > 2L * options.ReadAhead) break;
                end = further;
                next++;
            }
            if (end > start)
            {
                byte[] bytes = budget.Rent(end - start, batch.Sites[order[first]]);
                fetched.Add(bytes);
                await file.ReadAsync(start, bytes.AsMemory(0, (int)(end - start)), cancel);
                for (int i = first; i < next; i++)
                {
                    ColumnChunk chunk = chunks[order[i]];
                    windows[order[i]].Preload(bytes, (int)(chunk.Offset - start), chunk.Offset, (int)(windows[order[i]].End - chunk.Offset));
                }
            }
            first = next;
        }
    }
}
