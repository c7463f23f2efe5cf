using System.Buffers;

namespace DataLayer.Fuse;

/// <summary>Memory outside the managed heap as <see cref="Memory{T}"/>. Whoever makes it keeps the memory alive.</summary>
sealed unsafe class NativeMemoryBlock(byte* start, int length) : MemoryManager<byte>
{
    public byte* Start => start;

    public int Length => length;

    // Safe as long as the owner keeps its promise: start and length describe one mapping.
    public override Span<byte> GetSpan() => new(start, length);

    public override MemoryHandle Pin(int elementIndex = 0) => new(start + elementIndex);

    public override void Unpin() { }

    protected override void Dispose(bool disposing) { }
}
