using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace DataLayer.Formats;

/// <summary>
/// Sorts any number of byte records in bounded memory: a run at a time in an arena, each full run to a temporary file,
/// then a merge of all. Records are ordered by key, then by what follows it; either all have a key or none has. Not for
/// concurrent use.
/// </summary>
internal sealed class RecordSorter : IDisposable
{
    // A chunk is never moved and holds whole records; 1 MiB keeps the unused tails of records below 1%.
    const int ChunkShift = 20;
    const int RecordHeader = 4 + 2;

    // Runs merged at once: each needs a read buffer and a place in the heap. With 64 MiB runs it takes more than
    // 150 million files to get there; then all runs so far become one.
    internal const int MaxRuns = 256;

    readonly TempFiles _temp;
    readonly int _maxChunks;
    readonly int _chunkSize;
    readonly long _memory;
    readonly List<byte[]> _chunks = [];
    readonly List<SortKey> _keys = [];
    readonly List<Spool> _runs = [];
    int _chunk = -1;
    int _used;

    [StructLayout(LayoutKind.Sequential)]
    readonly record struct SortKey(ulong Prefix, int Chunk, int Offset);

    internal RecordSorter(TempFiles temp, long memory)
    {
        _temp = temp;
        _memory = memory;
        _chunkSize = (int)Math.Min(1 << ChunkShift, memory / 4);
        _maxChunks = (int)Math.Max(1, memory / _chunkSize);
    }

    /// <summary>Runs written so far: a <see cref="Handle"/> of an earlier run is gone.</summary>
    internal int Generation { get; private set; }

    /// <summary>A record in memory.</summary>
    internal readonly record struct Handle(int Generation, int Chunk, int Offset);

    internal Handle Add(ReadOnlySpan<byte> key, ReadOnlySpan<byte> rest)
    {
        int length = RecordHeader + key.Length + rest.Length;
        if (_chunk < 0 || _chunks[_chunk].Length - _used < length) NextChunk(length);
        Span<byte> record = _chunks[_chunk].AsSpan(_used, length);
        BinaryPrimitives.WriteInt32LittleEndian(record, length);
        BinaryPrimitives.WriteUInt16LittleEndian(record[4..], (ushort)key.Length);
        key.CopyTo(record[RecordHeader..]);
        rest.CopyTo(record[(RecordHeader + key.Length)..]);
        _keys.Add(new SortKey(Prefix(key.IsEmpty ? rest : key), _chunk, _used));
        Handle handle = new(Generation, _chunk, _used);
        _used += length;
        return handle;
    }

    /// <summary>True when the record is still in memory and has this key.</summary>
    internal bool HasKey(Handle handle, ReadOnlySpan<byte> key) =>
        handle.Generation == Generation && Key(RecordAt(handle.Chunk, handle.Offset)).SequenceEqual(key);

    void NextChunk(int length)
    {
        // The sort keys take 16 bytes per record: part of the budget, so that small records do not exceed it.
        bool full = _chunk + 1 >= _maxChunks || ((long)(_chunk + 1) * _chunkSize) + ((long)_keys.Count * 16) >= _memory;
        if (full && _keys.Count > 0) WriteRun();
        _chunk++;
        _used = 0;
        if (_chunk == _chunks.Count) _chunks.Add(GC.AllocateUninitializedArray<byte>(Math.Max(_chunkSize, length)));
        else if (_chunks[_chunk].Length < length) _chunks[_chunk] = GC.AllocateUninitializedArray<byte>(length);
    }

    void WriteRun()
    {
        Sort();
        Spool run = new(_temp);
        foreach (SortKey key in _keys) run.Append(RecordAt(key.Chunk, key.Offset));
        run.Seal();
        _runs.Add(run);
        _keys.Clear();
        _chunk = -1;
        Generation++;
        if (_runs.Count == MaxRuns) MergeRuns();
    }

    void MergeRuns()
    {
        Spool merged = new(_temp);
        RunMerge merge = new(_runs);
        while (merge.MoveNext()) merged.Append(merge.Current);
        merged.Seal();
        foreach (Spool run in _runs) run.Dispose();
        _runs.Clear();
        _runs.Add(merged);
    }

    void Sort() => CollectionsMarshal.AsSpan(_keys).Sort((a, b) =>
    {
        int order = a.Prefix.CompareTo(b.Prefix);
        return order != 0 ? order : Compare(RecordAt(a.Chunk, a.Offset), RecordAt(b.Chunk, b.Offset));
    });

    /// <summary>All records in order; nothing can be added any more.</summary>
    internal IRecordStream Finish()
    {
        if (_runs.Count == 0)
        {
            Sort();
            return new ArenaStream(this);
        }
        if (_keys.Count > 0) WriteRun();
        _chunks.Clear();
        _keys.Capacity = 0;
        return new RunMerge(_runs);
    }

    ReadOnlySpan<byte> RecordAt(int chunk, int offset)
    {
        ReadOnlySpan<byte> record = _chunks[chunk].AsSpan(offset);
        return record[..BinaryPrimitives.ReadInt32LittleEndian(record)];
    }

    static ulong Prefix(ReadOnlySpan<byte> key)
    {
        if (key.Length >= 8) return BinaryPrimitives.ReadUInt64BigEndian(key);
        // Shorter keys are padded with zeros: equal prefixes are compared in full, so this only has to be monotone.
        Span<byte> padded = stackalloc byte[8];
        padded.Clear();
        key.CopyTo(padded);
        return BinaryPrimitives.ReadUInt64BigEndian(padded);
    }

    internal static ReadOnlySpan<byte> Key(ReadOnlySpan<byte> record) =>
        record.Slice(RecordHeader, BinaryPrimitives.ReadUInt16LittleEndian(record[4..]));

    internal static ReadOnlySpan<byte> Rest(ReadOnlySpan<byte> record) =>
        record[(RecordHeader + BinaryPrimitives.ReadUInt16LittleEndian(record[4..]))..];

    internal static int Compare(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        int order = Key(a).SequenceCompareTo(Key(b));
        return order != 0 ? order : Rest(a).SequenceCompareTo(Rest(b));
    }

    public void Dispose()
    {
        foreach (Spool run in _runs) run.Dispose();
    }

    sealed class ArenaStream(RecordSorter sorter) : IRecordStream
    {
        int _next;

        public bool MoveNext() => _next++ < sorter._keys.Count;

        public ReadOnlySpan<byte> Current => sorter.RecordAt(sorter._keys[_next - 1].Chunk, sorter._keys[_next - 1].Offset);
    }
}

/// <summary>Records in order. <see cref="Current"/> is valid until the next <see cref="MoveNext"/>.</summary>
internal interface IRecordStream
{
    bool MoveNext();
    ReadOnlySpan<byte> Current { get; }
}
