using System.Runtime.CompilerServices;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// One block file opened by this process: data and sidecar. Read and written with pread and pwrite, so that a failing
/// disk is an error code; only the sidecar is mapped, read-only, so that presence is a memory load, and it is written with
/// pwrite as well, so that a full disk is an error code there too. Safe for concurrent use between
/// <see cref="TryEnter"/> and <see cref="Leave"/>; the descriptors close when it is retired and nobody is inside.
/// </summary>
internal sealed unsafe class BlockFile
{
    const int Retired = int.MinValue;

    // A file system without RWF_NOWAIT reads (tmpfs before 6.x, some network ones): asked once.
    static volatile bool s_cannotTell;

    readonly int _data, _sums;
    readonly byte* _map;
    readonly nuint _mapLength;
    readonly ulong[] _verified;
    readonly bool[] _admitted;
    int _uses, _closeOnce, _filling, _missing, _syncing;
    long _lastAdvice;
    int _lastUnit = -2, _inOrder;
    volatile bool _broken;

    BlockFile(in BlockSpec spec, IBlockDirectory directory, BlockGrant grant, int data, int sums, byte* map, nuint mapLength)
    {
        Spec = spec;
        Directory = directory;
        Grant = grant;
        _data = data;
        _sums = sums;
        _map = map;
        _mapLength = mapLength;
        _verified = new ulong[(spec.Units + 63) / 64];
        _missing = spec.Units - CountPresent();
        _admitted = new bool[spec.IsPack ? 0 : spec.Steps];
        for (int i = 0; i < _admitted.Length; i++) _admitted[i] = HasPresent(i * BlockSpec.UnitsPerStep, BlockSpec.UnitsPerStep);
    }

    public BlockSpec Spec { get; }

    /// <summary>Who granted it, and is told when it closes; not necessarily who decides by then.</summary>
    public IBlockDirectory Directory { get; }
    public BlockGrant Grant { get; }

    /// <summary>Told when bytes come from the disk instead of memory.</summary>
    public PageCacheAhead? PageCache { get; init; }

    /// <summary>True at most once a second: the kernel was just told to read this file.</summary>
    public bool TryBeginAdvice()
    {
        long now = Environment.TickCount64, last = Volatile.Read(ref _lastAdvice);
        return now - last >= 1000 && Interlocked.CompareExchange(ref _lastAdvice, now, last) == last;
    }

    /// <summary>Bytes of it were on disk only, some time since it was opened.</summary>
    public bool WasCold => Volatile.Read(ref _lastAdvice) != 0;

    /// <summary>Set by every read and cleared by the cache of open files: second chance before closing.</summary>
    public bool Touched;

    /// <summary>Next read-ahead of a large file: starts when a hit reaches its unit. Null when none is armed.</summary>
    public ReadAheadTrigger? ReadAhead;

    /// <summary>On a disk that takes no writes: read only, never fetched into.</summary>
    public bool IsReadOnly { get; private init; }

    /// <summary>Whether there is room for this unit: always in a pack, step by step in a large file.</summary>
    public bool IsAdmitted(int unit) => Spec.IsPack || Volatile.Read(ref _admitted[unit / BlockSpec.UnitsPerStep]);

    public void SetAdmitted(int unit) => Volatile.Write(ref _admitted[unit / BlockSpec.UnitsPerStep], true);

    /// <summary>True for one caller until <see cref="EndFill"/>: a pack is filled once at a time.</summary>
    public bool TryBeginFill() => Interlocked.Exchange(ref _filling, 1) == 0;

    public void EndFill() => Volatile.Write(ref _filling, 0);

    /// <summary>True once it was queued to be forced to disk with every unit present.</summary>
    public bool TryBeginSync() => Interlocked.Exchange(ref _syncing, 1) == 0;

    /// <summary>Descriptor of the data, valid while inside.</summary>
    public int DataDescriptor => _data;
    public int SumsDescriptor => _sums;

    /// <summary>A block file whose checksums or disk failed and could not even be marked so; treated as holding nothing.</summary>
    public bool IsBroken => _broken;

    /// <summary>Opens the two files of a block. Null and an errno when they are not there or not what the spec says (EINVAL).</summary>
    public static BlockFile? Open(in BlockSpec spec, IBlockDirectory directory, BlockGrant grant, PageCacheAhead? pageCache, out int errno)
    {
        errno = directory.OpenFiles(grant, spec.Id, out BlockDescriptors files);
        if (errno != 0) return null;
        int data = files.Data, sums = files.Sums;
        try
        {
            // The whole sidecar is read once before it is mapped: a disk that cannot read it says so here, not by SIGBUS.
            if (!ReadThrough(sums, spec)) { errno = Libc.EINVAL; return null; }
            nuint length = (nuint)Sidecar.FileLength(spec.Units);
            void* map = Libc.MMap(null, length, Libc.PROT_READ, Libc.MAP_SHARED, sums, 0);
            if ((nint)map == -1) { errno = Libc.LastError; return null; }
            BlockFile file = new(spec, directory, grant, data, sums, (byte*)map, length) { IsReadOnly = files.IsReadOnly, PageCache = pageCache };
            data = sums = -1;
            return file;
        }
        finally
        {
            if (sums >= 0) Libc.Close(sums);
            if (data >= 0) Libc.Close(data);
        }
    }

    [SkipLocalsInit]
    static bool ReadThrough(int sums, in BlockSpec spec)
    {
        Span<byte> buffer = stackalloc byte[16 << 10];
        long length = Sidecar.FileLength(spec.Units);
        for (long at = 0; at < length; at += buffer.Length)
        {
            Span<byte> part = buffer[..(int)Math.Min(buffer.Length, length - at)];
            if (Libc.ReadAt(sums, part, at) != part.Length) return false;
            if (at == 0 && (!Sidecar.TryReadHeader(part, out BlockSpec found) || found != spec)) return false;
        }
        return true;
    }

    /// <summary>Keeps the descriptors open until <see cref="Leave"/>; false once the file is retired.</summary>
    public bool TryEnter()
    {
        if (Interlocked.Increment(ref _uses) > 0) return true;
        Leave();
        return false;
    }

    public void Leave()
    {
        if (Interlocked.Decrement(ref _uses) == Retired) Close();
    }

    /// <summary>No new use; closes at once or when the last user leaves.</summary>
    public void Retire()
    {
        int uses = Volatile.Read(ref _uses);
        for (; ; )
        {
            if (uses < 0) return;
            int seen = Interlocked.CompareExchange(ref _uses, uses + Retired, uses);
            if (seen == uses) break;
            uses = seen;
        }
        if (uses == 0) Close();
    }

    public bool IsInUse => Volatile.Read(ref _uses) > 0;

    public bool IsRetired => Volatile.Read(ref _uses) < 0;

    void Close()
    {
        // A late TryEnter may bring the count back to Retired a second time.
        if (Interlocked.Exchange(ref _closeOnce, 1) != 0) return;
        Libc.MUnmap(_map, _mapLength);
        Libc.Close(_sums);
        Libc.Close(_data);
        Directory.Close(Grant, Spec.Id);
    }

    public bool IsPresent(in Unit unit) => TryGetCrc(unit, out _);

    bool TryGetCrc(in Unit unit, out uint crc)
    {
        // Safe: the mapping covers the header and one record for each unit of the spec, and stays while someone is inside.
        ulong* record = (ulong*)(_map + Sidecar.RecordOffset(unit.Index));
        if ((uint)unit.Index < (uint)Spec.Units && !_broken)
            return Sidecar.TryReadRecord(Volatile.Read(ref record[0]), Volatile.Read(ref record[1]), Spec, unit, out crc);
        crc = 0;
        return false;
    }

    /// <summary>
    /// Copies bytes of a unit, if it is present and its checksum holds. A checksum that does not makes it absent.
    /// </summary>
    /// <param name="offset">Within the unit; offset + destination.Length does not pass its end.</param>
    /// <returns>The bytes were copied; false is a miss.</returns>
    public bool TryRead(in Unit unit, int offset, Span<byte> destination, ref long badChecksums)
    {
        if (!TryGetCrc(unit, out uint crc)) return false;
        if (destination.Length == unit.Length)
        {
            if (ReadData(destination, unit.Start) && Crc32C.Compute(destination) == crc)
            {
                SetVerified(unit.Index);
                return true;
            }
        }
        else if (IsVerified(unit.Index) || Verify(unit, crc))
        {
            if (ReadData(destination, unit.Start + offset)) return true;
        }
        Interlocked.Increment(ref badChecksums);
        MarkAbsent(unit);
        return false;
    }

    /// <summary>Copies a whole unit and gives the checksum that was stored with it, which the copy has too.</summary>
    /// <param name="destination">Exactly the unit's length.</param>
    public bool TryReadWhole(in Unit unit, Span<byte> destination, out uint crc, ref long badChecksums)
    {
        if (!TryGetCrc(unit, out crc)) return false;
        if (ReadData(destination, unit.Start) && Crc32C.Compute(destination) == crc)
        {
            SetVerified(unit.Index);
            return true;
        }
        Interlocked.Increment(ref badChecksums);
        MarkAbsent(unit);
        return false;
    }

    bool ReadData(Span<byte> destination, long offset)
    {
        int cached = s_cannotTell || PageCache == null ? 0 : Libc.ReadCached(_data, destination, offset);
        if (cached == destination.Length) return true;
        if (cached == -Libc.EOPNOTSUPP) s_cannotTell = true;
        else if (PageCache != null && !s_cannotTell) PageCache.Cold(this, offset, destination.Length);
        cached = Math.Max(0, cached);
        return Libc.ReadAt(_data, destination[cached..], offset + cached) == destination.Length - cached;
    }

    /// <summary>
    /// Notes that a file of the pack was read. True when so many were read in pack order that the next packs will be wanted.
    /// Races only make it miss a step: it is a hint.
    /// </summary>
    public bool NoteRead(int unit)
    {
        int gap = unit - _lastUnit;
        if (gap == 0) return false;
        _lastUnit = unit;
        // An empty file is never read: one may be left out.
        _inOrder = gap is 1 or 2 ? _inOrder + 1 : 0;
        return _inOrder == Math.Min(8, Spec.Units / 2);
    }

    /// <summary>Checks a present unit against its checksum unless this process has done so before.</summary>
    public bool TryVerify(in Unit unit, ref long badChecksums)
    {
        if (!TryGetCrc(unit, out uint crc)) return false;
        if (IsVerified(unit.Index) || Verify(unit, crc)) return true;
        Interlocked.Increment(ref badChecksums);
        MarkAbsent(unit);
        return false;
    }

    [SkipLocalsInit]
    bool Verify(in Unit unit, uint expected)
    {
        // 32 KiB: fits every thread's stack, and reading 1 MiB in 32 calls costs about a tenth more than in one.
        Span<byte> buffer = stackalloc byte[32 << 10];
        uint crc = 0;
        for (int done = 0; done < unit.Length;)
        {
            Span<byte> part = buffer[..Math.Min(buffer.Length, unit.Length - done)];
            if (!ReadData(part, unit.Start + done)) return false;
            crc = Crc32C.Compute(part, crc);
            done += part.Length;
        }
        if (crc != expected) return false;
        SetVerified(unit.Index);
        return true;
    }

    public bool IsVerified(int unit) => (Volatile.Read(ref _verified[unit >> 6]) >> (unit & 63) & 1) != 0;

    void SetVerified(int unit)
    {
        if (!IsVerified(unit)) Interlocked.Or(ref _verified[unit >> 6], 1ul << (unit & 63));
    }

    void ClearVerified(int unit) => Interlocked.And(ref _verified[unit >> 6], ~(1ul << (unit & 63)));

    /// <summary>
    /// Writes consecutive units that lie end to end, then says that they are present. Returns 0 or the errno of the disk;
    /// after an errno they are as absent as before.
    /// </summary>
    /// <param name="units">At most 64.</param>
    [SkipLocalsInit]
    public int Write(ReadOnlySpan<Unit> units, ReadOnlySpan<byte> bytes)
    {
        int errno = Libc.WriteAt(_data, bytes, units[0].Start);
        if (errno != 0) return errno;
        Span<byte> records = stackalloc byte[units.Length * Sidecar.RecordSize];
        for (int i = 0, at = 0; i < units.Length; i++)
        {
            uint crc = Crc32C.Compute(bytes.Slice(at, units[i].Length));
            Sidecar.WriteRecord(records[(i * Sidecar.RecordSize)..], Spec, units[i], crc);
            at += units[i].Length;
        }
        errno = Libc.WriteAt(_sums, records, Sidecar.RecordOffset(units[0].Index));
        if (errno != 0) return errno;
        foreach (Unit unit in units) SetVerified(unit.Index);
        Interlocked.Add(ref _missing, -units.Length);
        return 0;
    }

    /// <summary>
    /// True when every unit is present. Counts only when that can be: after as many units as were missing were written
    /// here, or when told that other processes may have written some.
    /// </summary>
    public bool IsComplete(bool recount)
    {
        if (!recount && Volatile.Read(ref _missing) > 0) return false;
        int missing = Spec.Units - CountPresent();
        Volatile.Write(ref _missing, missing);
        return missing == 0;
    }

    /// <summary>Every unit is present and was checked, or written, by this process.</summary>
    public bool IsCompleteAndVerified()
    {
        for (int i = 0; i < Spec.Units; i += 64)
        {
            ulong expected = Spec.Units - i >= 64 ? ulong.MaxValue : (1ul << (Spec.Units - i)) - 1;
            if ((Volatile.Read(ref _verified[i >> 6]) & expected) != expected) return false;
        }
        return IsComplete(recount: true);
    }

    /// <summary>Forces data, then sidecar, to disk. Returns 0 or the errno.</summary>
    public int Sync() => Libc.FDataSync(_data) == 0 && Libc.FDataSync(_sums) == 0 ? 0 : Libc.LastError;

    void MarkAbsent(in Unit unit)
    {
        ClearVerified(unit.Index);
        // Each further read finds it wrong again; the other units stay good.
        if (IsReadOnly) return;
        Span<byte> zeros = stackalloc byte[Sidecar.RecordSize];
        zeros.Clear();
        if (Libc.WriteAt(_sums, zeros, Sidecar.RecordOffset(unit.Index)) != 0) _broken = true;
    }

    /// <summary>Units present, whatever they are; walks the whole sidecar.</summary>
    public int CountPresent()
    {
        int present = 0;
        for (int i = 0; i < Spec.Units; i++)
            if (HasRecord(i)) present++;
        return present;
    }

    bool HasPresent(int first, int count)
    {
        for (int i = first; i < Math.Min(first + count, Spec.Units); i++)
            if (HasRecord(i)) return true;
        return false;
    }

    // Safe: the mapping covers one record for each unit of the spec.
    bool HasRecord(int unit) =>
        !_broken && Sidecar.TryReadRecord(new ReadOnlySpan<byte>(_map + Sidecar.RecordOffset(unit), Sidecar.RecordSize), Spec, unit, out _, out _);

    /// <summary>
    /// Takes units for fetching, against other processes that share the store: a lock on the sidecar's open file
    /// description, so that the kernel drops it when a process dies. Within this process the fetch table decides.
    /// </summary>
    public bool TryLockUnits(int first, int count) => Libc.TryLockRange(_sums, Sidecar.RecordOffset(first), (long)count * Sidecar.RecordSize);

    public void UnlockUnits(int first, int count) => Libc.UnlockRange(_sums, Sidecar.RecordOffset(first), (long)count * Sidecar.RecordSize);
}
