using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DataLayer.Fuse;

namespace DataLayer.FuseFs.Holding;

/// <summary>One file that callers have open. 32 bytes.</summary>
[StructLayout(LayoutKind.Sequential, Size = 32)]
struct OpenEntry
{
    public ulong Node;

    /// <summary>Number of the OPEN that was counted last, without the mark of one sent again.</summary>
    public ulong LastOpen;

    /// <summary>What the kernel reads the file by; 0: through us.</summary>
    public int BackingId;

    /// <summary>0: the entry is free.</summary>
    public int Opens;
}

/// <summary>
/// The files that callers have open, in memory that outlives this process: the kernel keeps one way of reading per open file,
/// and answers EIO to an open(2) for which a successor chose another. Guarded by its user's lock.
/// </summary>
sealed class OpenTable : IDisposable
{
    const ulong Magic = 0x3130_4E45_504F_4C44; // "DLOPEN01"

    // 2 MiB of address space; used pages only. Beyond it files open through us, which is always possible.
    public const int Capacity = 65_535;
    public static readonly int Size = (Capacity + 1) * Unsafe.SizeOf<OpenEntry>();

    readonly SharedRegion region;
    readonly Stack<int> free = [];

    OpenTable(SharedRegion region)
    {
        this.region = region;
        for (int i = Capacity - 1; i >= 0; i--)
            if (Entries[i].Opens <= 0) free.Push(i);
    }

    public Span<OpenEntry> Entries => MemoryMarshal.Cast<byte, OpenEntry>(region.Bytes)[1..];

    /// <summary>Something was open once that found no room here: what is not in the table may be open through us.</summary>
    public bool HasOverflowed => MemoryMarshal.Read<long>(region.Bytes[8..]) != 0;

    public static SharedRegion Create()
    {
        SharedRegion region = SharedRegion.Create("datalayer-opens", Size);
        MemoryMarshal.Write(region.Bytes, Magic);
        return region;
    }

    /// <param name="shared">Owned by the table from then on.</param>
    public static OpenTable Open(SharedRegion shared)
    {
        if (MemoryMarshal.Read<ulong>(shared.Bytes) == Magic) return new OpenTable(shared);
        shared.Dispose();
        throw new UserException("The table of open files was made by another version of dl-fuse: mount again instead of upgrading.");
    }

    /// <returns>Its index, or -1 when there is no room.</returns>
    public int Add(FuseNodeId node, int backingId)
    {
        if (!free.TryPop(out int index))
        {
            MemoryMarshal.Write(region.Bytes[8..], 1L);
            return -1;
        }

        ref OpenEntry entry = ref Entries[index];
        entry.Node = node.Value;
        entry.BackingId = backingId;
        entry.LastOpen = 0;
        return index;
    }

    /// <summary>Tells what a caller will hold once it is answered; the count goes last, because it makes the entry valid.</summary>
    public void SetOpens(int index, int opens, ulong lastOpen)
    {
        if (index < 0) return;
        Entries[index].LastOpen = lastOpen;
        SetOpens(index, opens);
    }

    /// <inheritdoc cref="SetOpens(int, int, ulong)"/>
    public void SetOpens(int index, int opens)
    {
        if (index < 0) return;
        Volatile.Write(ref Entries[index].Opens, opens);
        if (opens == 0) free.Push(index);
    }

    public void Dispose() => region.Dispose();
}
