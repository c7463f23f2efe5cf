using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using DataLayer.Cache;
using DataLayer.Formats;
using Microsoft.AspNetCore.Http;

namespace DataLayer.CacheWorker.Serving;

/// <summary>
/// Answers one request for units. What is in the store is read into the connection's own buffers, checked on the way, and
/// sent with the checksum it was stored with. What is not is fetched, with a sign of life while that takes.
/// </summary>
static class BlockAnswer
{
    /// <returns>Bytes of content sent; null when <paramref name="cachedOnly"/> and it is not here (nothing was sent then).</returns>
    public static async Task<long?> SendAsync(HttpContext context, DatasetReader reader, UnitRange units, bool cachedOnly, CancellationToken cancellation)
    {
        HttpResponse response = context.Response;
        response.ContentType = "application/octet-stream";
        await reader.OpenAsync(units.File, cancellation);
        int present = 0;
        while (present < units.Count && reader.IsPresent(units.File, units[present])) present++;
        if (present < units.Count && cachedOnly) return null;
        if (present == units.Count) response.ContentLength = (long)units.Length + units.Count * FrameHeader.Size;

        PipeWriter writer = response.BodyWriter;
        long sent = 0;
        int index = 0;
        for (; index < present; index++)
        {
            Unit unit = units[index];
            if (!TryWriteUnit(reader, units.File, unit, writer)) break;
            sent += unit.Length;
            // Each unit is on its way while the next one is read.
            FlushResult flushed = await writer.FlushAsync(cancellation);
            if (flushed.IsCompleted || flushed.IsCanceled) return sent;
        }
        if (index == units.Count) return sent;
        if (response.HasStarted && (cachedOnly || response.ContentLength != null))
        {
            // A unit turned out damaged behind a length that was promised: the asker turns to somebody else.
            context.Abort();
            return sent;
        }
        response.ContentLength = null;
        if (cachedOnly) return null;
        return sent + await FetchAndSendAsync(writer, reader, Rest(units, index), cancellation);
    }

    static UnitRange Rest(UnitRange units, int from) => units with { First = units.First + from, Count = units.Count - from };

    static bool TryWriteUnit(DatasetReader reader, in FileLocation file, in Unit unit, PipeWriter writer)
    {
        Span<byte> frame = writer.GetSpan(FrameHeader.Size + unit.Length);
        if (!reader.TryReadUnit(file, unit, frame.Slice(FrameHeader.Size, unit.Length), out uint crc)) return false;
        new FrameHeader(FrameKind.Unit, (uint)unit.Index, unit.Length, crc).Write(frame);
        writer.Advance(FrameHeader.Size + unit.Length);
        return true;
    }

    static async Task<long> FetchAndSendAsync(PipeWriter writer, DatasetReader reader, UnitRange units, CancellationToken cancellation)
    {
        byte[] rented = ArrayPool<byte>.Shared.Rent(units.Length);
        Task<int> reading = reader.ReadAsync(units.File, units.FileOffset, rented.AsMemory(0, units.Length), cancellation).AsTask();
        try
        {
            while (!await EndsSoonAsync(reading))
            {
                Write(writer, new FrameHeader(FrameKind.Wait, 0, 0, 0), []);
                await writer.FlushAsync(cancellation);
            }
            await reading;
            int at = 0;
            for (int i = 0; i < units.Count; i++)
            {
                Unit unit = units[i];
                ReadOnlyMemory<byte> bytes = rented.AsMemory(at, unit.Length);
                Write(writer, new FrameHeader(FrameKind.Unit, (uint)unit.Index, unit.Length, Crc32C.Compute(bytes.Span)), bytes.Span);
                at += unit.Length;
            }
            await writer.FlushAsync(cancellation);
            return at;
        }
        catch (SourceException fault)
        {
            byte[] text = Encoding.UTF8.GetBytes(fault.Message);
            if (text.Length > FrameHeader.MaxText) text = text[..FrameHeader.MaxText];
            Write(writer, new FrameHeader(FrameKind.Fault, (uint)fault.Fault, text.Length, Crc32C.Compute(text)), text);
            await writer.FlushAsync(cancellation);
            return 0;
        }
        finally
        {
            // A reader that was given up may still write into the array: it goes back when that has ended.
            _ = reading.ContinueWith(static (task, array) =>
            {
                _ = task.Exception;
                ArrayPool<byte>.Shared.Return((byte[])array!);
            }, rented, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    static async ValueTask<bool> EndsSoonAsync(Task task)
    {
        try { await task.WaitAsync(TimeSpan.FromMilliseconds(PeerProtocol.WaitInterval)); }
        catch (TimeoutException) { return task.IsCompleted; }
        catch (SourceException) { return true; } // Whoever awaits the task next hears of it.
        return true;
    }

    static void Write(PipeWriter writer, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        Span<byte> frame = writer.GetSpan(FrameHeader.Size + payload.Length);
        header.Write(frame);
        payload.CopyTo(frame[FrameHeader.Size..]);
        writer.Advance(FrameHeader.Size + payload.Length);
    }
}
