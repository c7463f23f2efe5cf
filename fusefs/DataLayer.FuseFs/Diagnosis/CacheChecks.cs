using System.Diagnostics;
using DataLayer.FuseFs.CommandLine;

namespace DataLayer.FuseFs.Diagnosis;

/// <summary>The disk under a cache directory: room, kind, and how long it takes to make bytes safe.</summary>
static class CacheChecks
{
    const int Syncs = 8;

    // What NVMe disks stay well below and spinning or network disks do not reach.
    static readonly TimeSpan QuickSync = TimeSpan.FromMilliseconds(20);

    public static IEnumerable<Finding> Run(string cacheDirectory, long cacheSize)
    {
        string existing = cacheDirectory;
        while (!Directory.Exists(existing)) existing = Path.GetDirectoryName(existing)!;
        DriveInfo disk = new(existing);
        yield return Room(cacheDirectory, cacheSize, disk);
        yield return Kind(disk);
        yield return Speed(existing);
    }

    static Finding Room(string cacheDirectory, long cacheSize, DriveInfo disk)
    {
        long used = Directory.Exists(cacheDirectory) ? Used(cacheDirectory) : 0;
        long room = disk.AvailableFreeSpace + used;
        string found = $"{cacheDirectory}: {Values.Size(disk.AvailableFreeSpace)} free, {Values.Size(used)} used by the cache, {Values.Size(cacheSize)} wanted";
        return room >= cacheSize
            ? new Finding("cache room", Verdict.Good, found)
            : new Finding("cache room", Verdict.Limited, found, $"use --cache-size {room / 10 * 9 >> 30}GiB, free space, or choose another --cache-dir");
    }

    static long Used(string directory)
    {
        try
        {
            return new DirectoryInfo(directory).EnumerateFiles("*", SearchOption.AllDirectories).Sum(static file => file.Length);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return 0; // In use or another user's: the next checks say so.
        }
    }

    static Finding Kind(DriveInfo disk) => disk.DriveFormat switch
    {
        "tmpfs" or "ramfs" => new Finding("cache disk", Verdict.Limited, $"{disk.Name} is memory ({disk.DriveFormat})", "a cache on a local disk survives restarts and leaves memory to the page cache"),
        "nfs" or "nfs4" or "cifs" or "smb3" or "ceph" or "fuse" => new Finding("cache disk", Verdict.Limited, $"{disk.Name} is a network filesystem ({disk.DriveFormat})", "choose a --cache-dir on a local disk"),
        "overlay" or "overlayfs" => new Finding("cache disk", Verdict.Limited, $"{disk.Name} is a container's overlay: no passthrough, and gone with the container", "mount a volume of the host there"),
        _ => new Finding("cache disk", Verdict.Good, $"{disk.Name}, {disk.DriveFormat}"),
    };

    static Finding Speed(string directory)
    {
        string path = Path.Combine(directory, $".dl-fuse-doctor-{Guid.NewGuid():n}");
        try
        {
            byte[] block = new byte[1 << 20];
            Random.Shared.NextBytes(block);
            List<TimeSpan> times = [];
            using FileStream file = new(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 0, FileOptions.DeleteOnClose);
            for (int i = 0; i < Syncs; i++)
            {
                long begun = Stopwatch.GetTimestamp();
                file.Write(block);
                file.Flush(flushToDisk: true);
                times.Add(Stopwatch.GetElapsedTime(begun));
            }

            times.Sort();
            TimeSpan median = times[Syncs / 2];
            string found = $"1 MiB is safe on it in {median.TotalMilliseconds:0.0} ms (median of {Syncs}, longest {times[^1].TotalMilliseconds:0.0} ms)";
            return median <= QuickSync
                ? new Finding("cache speed", Verdict.Good, found)
                : new Finding("cache speed", Verdict.Limited, found, "a local NVMe disk fills and survives better; reads do not wait for it");
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return new Finding("cache speed", Verdict.Bad, fault.Message, "let this user write there, or choose another --cache-dir; without one every read goes to the source");
        }
    }
}
