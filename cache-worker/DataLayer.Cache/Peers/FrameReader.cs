using System.Text;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>Takes a worker's answer apart and believes nothing of it: order, lengths and checksums are checked.</summary>
internal static class FrameReader
{
    /// <param name="worker">Its name, for messages.</param>
    /// <param name="destination">Filled with the units' bytes, end to end; undefined after a fault.</param>
    /// <param name="heard">Called when something came.</param>
    /// <exception cref="PeerException">Damaged or senseless.</exception>
    /// <exception cref="SourceException">What the worker says of its source.</exception>
    /// <exception cref="IOException">The answer ends early.</exception>
    public static async ValueTask ReadAsync(string worker, Stream body, UnitRange units, Memory<byte> destination, Action heard, CancellationToken cancellation)
    {
        byte[] head = new byte[FrameHeader.Size];
        int at = 0;
        for (int i = 0; i < units.Count;)
        {
            await FillAsync(body, head, heard, cancellation);
            FrameHeader frame = FrameHeader.Read(head);
            switch (frame.Kind)
            {
                case FrameKind.Unit:
                    Unit unit = units[i++];
                    if (frame.Unit != unit.Index || frame.Length != unit.Length) throw Nonsense(worker, $"unit {frame.Unit} of {frame.Length} bytes instead of {unit.Index} of {unit.Length}");
                    Memory<byte> part = destination.Slice(at, unit.Length);
                    await FillAsync(body, part, heard, cancellation);
                    if (Crc32C.Compute(part.Span) != frame.Crc) throw new PeerException(PeerFault.Corrupt, $"worker {worker} sent damaged bytes of block {units.File.BlockFile} unit {unit.Index}");
                    at += unit.Length;
                    break;
                case FrameKind.Wait when frame.Length == 0:
                    break;
                case FrameKind.Fault when frame.Length is >= 0 and <= FrameHeader.MaxText:
                    byte[] text = new byte[frame.Length];
                    await FillAsync(body, text, heard, cancellation);
                    if (Crc32C.Compute(text) != frame.Crc || frame.Unit > (uint)SourceFault.Misconfigured) throw Nonsense(worker, "a fault that cannot be read");
                    throw new SourceException((SourceFault)frame.Unit, $"worker {worker}: {Encoding.UTF8.GetString(text)}");
                default:
                    throw Nonsense(worker, $"a frame of kind {(uint)frame.Kind}");
            }
        }
    }

    static PeerException Nonsense(string worker, string what) => new(PeerFault.Corrupt, $"worker {worker} sent {what}");

    static async ValueTask FillAsync(Stream body, Memory<byte> destination, Action heard, CancellationToken cancellation)
    {
        while (destination.Length > 0)
        {
            int got = await body.ReadAsync(destination, cancellation);
            if (got == 0) throw new EndOfStreamException("the answer ended early");
            heard();
            destination = destination[got..];
        }
    }
}
