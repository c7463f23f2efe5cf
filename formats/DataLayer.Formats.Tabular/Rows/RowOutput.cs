using System.Buffers;
using System.Runtime.CompilerServices;

namespace DataLayer.Formats.Tabular.Rows;

/// <summary>Formatted rows as UTF-8, and where each of them ends. Reused: <see cref="Clear"/> keeps the buffer.</summary>
/// <param name="longest">
/// Bytes that it may hold. A dictionary lets a small file stand for rows without end, so there must be a limit; 1 GiB is
/// beyond any row that a reader of lines can take.
/// </param>
public sealed class RowOutput(int longest = 1 << 30) : IDisposable
{
    readonly List<int> rowEnds = [];
    byte[] buffer = ArrayPool<byte>.Shared.Rent(64 << 10);

    /// <summary>Bytes written since the last <see cref="Clear"/>.</summary>
    public ReadOnlyMemory<byte> Written => buffer.AsMemory(0, Length);

    public int Length { get; private set; }

    /// <summary>For each row in <see cref="Written"/>, the offset after its last byte.</summary>
    public IReadOnlyList<int> RowEnds => rowEnds;

    public void Clear()
    {
        Length = 0;
        rowEnds.Clear();
    }

    public void Dispose()
    {
        if (buffer.Length > 0) ArrayPool<byte>.Shared.Return(buffer);
        buffer = [];
        Length = 0;
    }

    internal void EndRow() => rowEnds.Add(Length);

    internal ReadOnlySpan<byte> From(int start) => buffer.AsSpan(start, Length - start);

    /// <summary>At least <paramref name="size"/> bytes to write to, then <see cref="Advance"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal Span<byte> Room(int size)
    {
        if (buffer.Length - Length < size) Grow(size);
        return buffer.AsSpan(Length);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Advance(int size) => Length += size;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Write(byte value)
    {
        if (buffer.Length == Length) Grow(1);
        buffer[Length++] = value;
    }

    internal void Write(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(Room(bytes.Length));
        Length += bytes.Length;
    }

    internal void Truncate(int length) => Length = length;

    void Grow(int size)
    {
        long needed = (long)Length + size;
        if (needed > Math.Min(longest, Array.MaxLength)) throw new OutputTooLongException();
        byte[] larger = ArrayPool<byte>.Shared.Rent((int)Math.Max(needed, Math.Min(2L * buffer.Length, Array.MaxLength)));
        buffer.AsSpan(0, Length).CopyTo(larger);
        if (buffer.Length > 0) ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
    }
}

/// <summary>A row does not fit the output; the formatter turns it into an error that names the file.</summary>
internal sealed class OutputTooLongException : Exception;
