using DataLayer.Formats;
using DataLayer.Formats.Tabular;
using DataLayer.Formats.Tabular.Rows;

namespace DataLayer.Sources.Odps;

/// <summary>
/// A place in a row view with its decoder. Reads take turns in the order in which they came (<see cref="Queue"/>, under the
/// owner's lock); one that begins where the one before it ends goes on with the open decoder.
/// </summary>
sealed class RowCursor(TableRows rows, ISource source, Digest id, StoredTable table, RowFormat format) : IDisposable
{
    // The span generated last: the next read usually begins in its middle.
    readonly RowOutput span = new(RowIndexer.LongestRow + RowIndex.SpanBytes);
    long spanStart = -1;
    RowStream? stream;
    RowFormatter? formatter;
    int openInput;
    int nextSpan;
    long end;
    Task last = Task.CompletedTask;

    public bool IsIdle => last.IsCompleted;

    /// <summary>In milliseconds of the system's clock.</summary>
    public long LastUsed { get; private set; }

    /// <summary>Whether a read at the offset would go on where the last one queued ends.</summary>
    public bool Continues(Digest other, RowFormat otherFormat, long offset) => other == id && otherFormat == format && offset == end;

    /// <summary>The task after which a read that ends at <paramref name="readEnd"/> may use the cursor; its own end lets the next one in.</summary>
    public Task Queue(long readEnd, Task done)
    {
        Task turn = last;
        last = done;
        end = readEnd;
        LastUsed = Environment.TickCount64;
        return turn;
    }

    public async ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        while (!destination.IsEmpty)
        {
            ReadOnlyMemory<byte> piece = await PieceAsync(offset, cancellation);
            int length = Math.Min(piece.Length, destination.Length);
            piece[..length].CopyTo(destination);
            destination = destination[length..];
            offset += length;
        }
    }

    /// <summary>Bytes of the view from an offset on; at least one.</summary>
    async ValueTask<ReadOnlyMemory<byte>> PieceAsync(long offset, CancellationToken cancellation)
    {
        if (format == RowFormat.Csv && offset < table.CsvHeader.Length) return table.CsvHeader.AsMemory((int)offset);
        if (spanStart < 0 || offset < spanStart || offset >= spanStart + span.Length) await GenerateAsync(offset, cancellation);
        return span.Written[(int)(offset - spanStart)..];
    }

    async ValueTask GenerateAsync(long offset, CancellationToken cancellation)
    {
        int input = table.InputAt(format, offset);
        RowRecipe recipe = table.Inputs[input].Recipe;
        try
        {
            TableRows.OpenInput open = await rows.OpenAsync(recipe).WaitAsync(cancellation);
            RowIndex index = open.Index;
            if (index.Bytes(format) != table.Start(format, input + 1) - table.Start(format, input)) throw Differs(recipe);
            int wanted = index.SpanAt(format, offset - table.Start(format, input));
            RowIndex.Entry from = index.Entries[wanted], to = index.Entries[wanted + 1];
            if (stream is null || openInput != input || nextSpan != wanted)
            {
                Reset();
                stream = await RowStream.OpenAsync(source, recipe, open.Parquet, from, index.Restarts, null, cancellation);
                formatter = stream.Formatter(format, recipe);
                openInput = input;
            }
            spanStart = -1;
            span.Clear();
            for (long left = to.Row - from.Row; left > 0;)
            {
                if (!await stream.NextAsync(cancellation)) throw Differs(recipe);
                left -= formatter!.Write(stream.Batch, span, int.MaxValue, (int)Math.Min(left, int.MaxValue));
            }
            if (span.Length != to.Offset(format) - from.Offset(format) || Crc32C.Compute(span.Written.Span) != to.Crc(format)) throw Differs(recipe);
            nextSpan = wanted + 1;
            spanStart = table.Start(format, input) + from.Offset(format);
        }
        catch (TabularException e)
        {
            throw new SourceException(SourceFault.Unavailable, $"The rows of {source.Identity}/{recipe.Name} cannot be read although they once were: {e.Message}", e);
        }
    }

    SourceException Differs(RowRecipe recipe) => new(SourceFault.Unavailable,
        $"The rows of {source.Identity}/{recipe.Name} are other bytes than when they were indexed; the file was changed in place, or the memory of this machine is faulty.");

    /// <summary>Forgets the decoder and the span.</summary>
    public void Reset()
    {
        stream?.Dispose();
        formatter?.Dispose();
        stream = null;
        formatter = null;
        spanStart = -1;
        span.Clear();
    }

    public void Dispose()
    {
        Reset();
        span.Dispose();
    }
}
