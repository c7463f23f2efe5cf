using System.Runtime.CompilerServices;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>A unit whose bytes on disk are not those that were written.</summary>
/// <param name="Offset">Bytes from the start of the block file.</param>
public readonly record struct BadUnit(BlockFileId BlockFile, int Unit, long Offset, int Length);

/// <summary>What a check found; bytes unless the name says units or files.</summary>
/// <param name="DamagedBlockFiles">Without a readable sidecar or data file; the store removes them when it meets them.</param>
/// <param name="Bad">The first <see cref="StoreCheck.MaxReported"/> bad units.</param>
public sealed record StoreCheckResult(
    long BlockFiles, long DamagedBlockFiles, long UnitsOk, long UnitsBad, long UnitsAbsent, long BytesOk, IReadOnlyList<BadUnit> Bad);

/// <summary>Verifies every checksum of a cache directory, whether or not processes are using it.</summary>
public static class StoreCheck
{
    public const int MaxReported = 1000;

    /// <param name="markAbsent">Makes bad units absent, so that the next read fetches them again.</param>
    /// <param name="progress">Bytes verified so far.</param>
    /// <exception cref="StoreException">Not a cache directory of this version, or not readable.</exception>
    public static Task<StoreCheckResult> RunAsync(string directory, bool markAbsent, IProgress<long>? progress, CancellationToken cancellation) =>
        Task.Run(() => Run(new StorePaths(Path.GetFullPath(directory)), markAbsent, progress, cancellation), cancellation);

    static StoreCheckResult Run(StorePaths paths, bool markAbsent, IProgress<long>? progress, CancellationToken cancellation)
    {
        if (!File.Exists(paths.Version)) throw new StoreException($"{paths.Root} is not a cache directory");
        StoreFolder.CheckVersion(paths);
        Tally tally = new();
        foreach (string folder in Directory.EnumerateDirectories(paths.Blocks).Order())
        {
            foreach (string sums in Directory.EnumerateFiles(folder))
            {
                cancellation.ThrowIfCancellationRequested();
                string name = Path.GetFileNameWithoutExtension(sums);
                if (Digest.TryParse(name, out Digest id) && name.Length < Path.GetFileName(sums).Length) CheckBlock(tally, new BlockFileId(id), sums, Path.Combine(folder, name), markAbsent, cancellation);
                progress?.Report(tally.BytesOk);
            }
        }
        return new StoreCheckResult(tally.BlockFiles, tally.Damaged, tally.Ok, tally.Bad, tally.Absent, tally.BytesOk, tally.Reported);
    }

    sealed class Tally
    {
        public long BlockFiles, Damaged, Ok, Bad, Absent, BytesOk;
        public readonly List<BadUnit> Reported = [];
    }

    static void CheckBlock(Tally tally, BlockFileId id, string sumsPath, string dataPath, bool markAbsent, CancellationToken cancellation)
    {
        int sums = Libc.Open(sumsPath, (markAbsent ? Libc.O_RDWR : Libc.O_RDONLY) | Libc.O_CLOEXEC), sumsError = sums < 0 ? Libc.LastError : 0;
        int data = Libc.Open(dataPath, Libc.O_RDONLY | Libc.O_CLOEXEC), dataError = data < 0 ? Libc.LastError : 0;
        try
        {
            // Evicted or renamed to another dataset between listing and opening: the store is in use.
            if (sumsError == Libc.ENOENT || (dataError == Libc.ENOENT && !File.Exists(sumsPath))) return;
            tally.BlockFiles++;
            Span<byte> header = stackalloc byte[Sidecar.HeaderSize];
            if (sums < 0 || data < 0 || Libc.ReadAt(sums, header, 0) != header.Length || !Sidecar.TryReadHeader(header, out BlockSpec spec) || spec.Id != id)
            {
                tally.Damaged++;
                return;
            }
            CheckUnits(tally, spec, sums, data, markAbsent, cancellation);
        }
        finally
        {
            if (sums >= 0) Libc.Close(sums);
            if (data >= 0) Libc.Close(data);
        }
    }

    static void CheckUnits(Tally tally, in BlockSpec spec, int sums, int data, bool markAbsent, CancellationToken cancellation)
    {
        Span<byte> record = stackalloc byte[Sidecar.RecordSize];
        for (int i = 0; i < spec.Units; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (Libc.ReadAt(sums, record, Sidecar.RecordOffset(i)) != record.Length || !Sidecar.TryReadRecord(record, spec, i, out Unit unit, out uint crc))
            {
                tally.Absent++;
                continue;
            }
            if (TryComputeCrc(data, unit, out uint found) && found == crc)
            {
                tally.Ok++;
                tally.BytesOk += unit.Length;
                continue;
            }
            tally.Bad++;
            if (tally.Reported.Count < MaxReported) tally.Reported.Add(new BadUnit(spec.Id, i, unit.Start, unit.Length));
            if (!markAbsent) continue;
            record.Clear();
            int errno = Libc.WriteAt(sums, record, Sidecar.RecordOffset(i));
            if (errno != 0) throw new StoreException($"block file {spec.Id}, unit {i}: cannot be marked absent: {Libc.Describe(errno)}");
        }
    }

    [SkipLocalsInit]
    static bool TryComputeCrc(int data, in Unit unit, out uint crc)
    {
        Span<byte> buffer = stackalloc byte[64 << 10];
        crc = 0;
        for (int done = 0; done < unit.Length;)
        {
            Span<byte> part = buffer[..Math.Min(buffer.Length, unit.Length - done)];
            if (Libc.ReadAt(data, part, unit.Start + done) != part.Length) return false;
            crc = Crc32C.Compute(part, crc);
            done += part.Length;
        }
        return true;
    }
}
