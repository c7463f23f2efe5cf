namespace DataLayer.Formats.Tabular.Parquet;

/// <summary>
/// The bytes of one column chunk, fetched a stretch at a time and read forwards. Where the row group was fetched as a
/// whole, a stretch of that.
/// </summary>
internal sealed class ChunkWindow(IRandomAccess file, long end, int readAhead, MemoryBudget budget, FaultSite site) : IDisposable
{
    byte[] buffer = [];
    long bufferStart;
    int bufferLength;
    bool owned;

    /// <summary>Where the chunk ends in the file.</summary>
    public long End => end;

    /// <summary>Uses bytes that were fetched already, at <paramref name="at"/> of <paramref name="bytes"/>.</summary>
    public void Preload(byte[] bytes, int at, long offset, int length)
    {
        // The window is a view: offsets before the chunk are never asked for.
        buffer = bytes;
        bufferStart = offset - at;
        bufferLength = at + length;
    }

    /// <summary>Bytes at hand from <paramref name="offset"/> on.</summary>
    public int Available(long offset) =>
        offset >= bufferStart && offset <= bufferStart + bufferLength ? (int)(bufferStart + bufferLength - offset) : 0;

    /// <summary>Whether a call of <see cref="FetchAsync"/> can be left out.</summary>
    public bool Holds(long offset, int length) => Available(offset) >= length;

    /// <summary>Fetches <paramref name="length"/> bytes and what is worth having with them. The caller stays before <see cref="End"/>.</summary>
    public async ValueTask FetchAsync(long offset, int length, CancellationToken cancel)
    {
        int have = Available(offset);
        int size = (int)Math.Min(end - offset, Math.Max(length, readAhead));
        byte[] larger = owned && buffer.Length >= size ? buffer : budget.Rent(size, site);
        if (have > 0) Buffer.BlockCopy(buffer, (int)(offset - bufferStart), larger, 0, have);
        if (owned && larger != buffer) budget.Return(buffer);
        buffer = larger;
        owned = true;
        bufferStart = offset;
        bufferLength = have;
        await file.ReadAsync(offset + have, buffer.AsMemory(have, size - have), cancel);
        bufferLength = size;
    }

    public ReadOnlyMemory<byte> Slice(long offset, int length) => buffer.AsMemory((int)(offset - bufferStart), length);

    public void Dispose()
    {
        if (owned) budget.Return(buffer);
        owned = false;
        buffer = [];
        bufferLength = 0;
    }
}
