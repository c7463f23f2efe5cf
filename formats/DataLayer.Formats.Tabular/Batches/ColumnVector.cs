using System.Runtime.InteropServices;

namespace DataLayer.Formats.Tabular;

/// <summary>
/// A stretch of one leaf column, as Dremel levels and dense values: one level per value, null or empty list, one value
/// per entry that is present. Byte arrays stay in the page buffers, which the vector keeps until no value needs them.
/// </summary>
internal sealed class ColumnVector : IDisposable
{
    // The values that the last batch did not use (of a row that may still go on) are moved to the front, so these
    // arrays grow only when one row has more values than fit.
    readonly MemoryBudget budget;
    readonly FaultSite site;
    readonly List<byte[]?> buffers = [null];
    byte[] fixedValues = [];
    byte[] slices = [];
    byte[] definitions = [];
    byte[] repetitions = [];

    public ColumnVector(SchemaNode leaf, MemoryBudget budget, FaultSite site)
    {
        Leaf = leaf;
        this.budget = budget;
        this.site = site;
        ValueSize = leaf.Physical switch
        {
            PhysicalType.Boolean => 1,
            PhysicalType.Int32 or PhysicalType.Float => 4,
            PhysicalType.Int64 or PhysicalType.Double => 8,
            PhysicalType.Int96 => 12,
            _ => 0,
        };
    }

    public MemoryBudget Budget => budget;

    public SchemaNode Leaf { get; }

    /// <summary>Bytes per value; 0 for byte arrays, of fixed length too, which are slices.</summary>
    public int ValueSize { get; }

    /// <summary>Levels decoded: <see cref="BatchLevels"/> of the batch and then those of rows after it.</summary>
    public int LevelCount { get; private set; }

    public int ValueCount { get; private set; }

    /// <summary>Levels that belong to the rows of the current batch.</summary>
    public int BatchLevels { get; set; }

    /// <summary>Values that belong to the rows of the current batch.</summary>
    public int BatchValues { get; set; }

    public ReadOnlySpan<byte> Definitions => definitions.AsSpan(0, LevelCount);

    public ReadOnlySpan<byte> Repetitions => repetitions.AsSpan(0, LevelCount);

    public ReadOnlySpan<T> Values<T>() where T : unmanaged =>
        MemoryMarshal.Cast<byte, T>(fixedValues.AsSpan(0, ValueCount * ValueSize));

    public ReadOnlySpan<byte> FixedBytes => fixedValues.AsSpan(0, ValueCount * ValueSize);

    public ReadOnlySpan<ByteSlice> Slices => MemoryMarshal.Cast<byte, ByteSlice>(slices.AsSpan())[..ValueCount];

    public ReadOnlySpan<byte> Bytes(ByteSlice slice) => new(buffers[slice.Buffer], slice.Offset, slice.Length);

    /// <summary>The dictionary's buffer, slot 0; it lives as long as the vector.</summary>
    public byte[]? Dictionary
    {
        get => buffers[0];
        set => buffers[0] = value;
    }

    /// <summary>Takes over a rented buffer; returns its slot, valid until the next <see cref="StartBatch"/>.</summary>
    public int Adopt(byte[] buffer)
    {
        buffers.Add(buffer);
        return buffers.Count - 1;
    }

    public byte[] Buffer(int slot) => buffers[slot]!;

    /// <summary>Room for <paramref name="count"/> further levels, to be filled at once.</summary>
    public void AppendLevels(int count, out Span<byte> definition, out Span<byte> repetition)
    {
        definition = Leaf.DefinitionLevel > 0 ? Extend(ref definitions, LevelCount, count, 1) : default;
        repetition = Leaf.RepetitionLevel > 0 ? Extend(ref repetitions, LevelCount, count, 1) : default;
        LevelCount += count;
    }

    /// <summary>Room for <paramref name="count"/> further values of <see cref="ValueSize"/> bytes, to be filled at once.</summary>
    public Span<byte> AppendFixed(int count)
    {
        Span<byte> room = Extend(ref fixedValues, ValueCount, count, ValueSize);
        ValueCount += count;
        return room;
    }

    public Span<ByteSlice> AppendSlices(int count)
    {
        Span<byte> room = Extend(ref slices, ValueCount, count, 12);
        ValueCount += count;
        return MemoryMarshal.Cast<byte, ByteSlice>(room);
    }

    /// <summary>
    /// Forgets the batch, keeps what was decoded beyond it, and gives back the buffers that nothing refers to. The
    /// current page's slot moves: <paramref name="pageSlot"/> is 0 when there is none, and so is the answer.
    /// </summary>
    public int StartBatch(int pageSlot)
    {
        int levels = LevelCount - BatchLevels;
        int values = ValueCount - BatchValues;
        if (Leaf.DefinitionLevel > 0) definitions.AsSpan(BatchLevels, levels).CopyTo(definitions);
        if (Leaf.RepetitionLevel > 0) repetitions.AsSpan(BatchLevels, levels).CopyTo(repetitions);
        if (ValueSize > 0)
        {
            fixedValues.AsSpan(BatchValues * ValueSize, values * ValueSize).CopyTo(fixedValues);
            pageSlot = ReleaseBuffers(default, pageSlot);
        }
        else
        {
            Span<ByteSlice> all = MemoryMarshal.Cast<byte, ByteSlice>(slices.AsSpan());
            all.Slice(BatchValues, values).CopyTo(all);
            pageSlot = ReleaseBuffers(all[..values], pageSlot);
        }
        LevelCount = levels;
        ValueCount = values;
        BatchLevels = 0;
        BatchValues = 0;
        return pageSlot;
    }

    public void Dispose()
    {
        foreach (byte[]? buffer in buffers)
        {
            if (buffer is not null) budget.Return(buffer);
        }
        buffers.Clear();
        foreach (byte[] array in (ReadOnlySpan<byte[]>)[fixedValues, slices, definitions, repetitions])
        {
            if (array.Length > 0) budget.Return(array);
        }
        fixedValues = slices = definitions = repetitions = [];
        LevelCount = ValueCount = BatchLevels = BatchValues = 0;
    }

    int ReleaseBuffers(Span<ByteSlice> kept, int pageSlot)
    {
        if (buffers.Count == 1) return 0;
        // New slot by old one; the buffers of one batch are few.
        Span<int> moved = buffers.Count <= 256 ? stackalloc int[buffers.Count] : new int[buffers.Count];
        moved.Clear();
        moved[pageSlot] = 1;
        foreach (ref readonly ByteSlice slice in kept) moved[slice.Buffer] = 1;
        int next = 1;
        for (int i = 1; i < moved.Length; i++)
        {
            if (moved[i] == 0)
            {
                budget.Return(buffers[i]!);
                continue;
            }
            buffers[next] = buffers[i];
            moved[i] = next++;
        }
        moved[0] = 0;
        buffers.RemoveRange(next, buffers.Count - next);
        foreach (ref ByteSlice slice in kept) slice = slice with { Buffer = moved[slice.Buffer] };
        return moved[pageSlot];
    }

    Span<byte> Extend(ref byte[] array, int used, int count, int size)
    {
        long needed = ((long)used + count) * size;
        if (needed > array.Length)
        {
            byte[] larger = budget.Rent(Math.Max(needed, Math.Min(2L * array.Length, Array.MaxLength / 2)), site);
            array.AsSpan(0, used * size).CopyTo(larger);
            if (array.Length > 0) budget.Return(array);
            array = larger;
        }
        return array.AsSpan(used * size, count * size);
    }
}
