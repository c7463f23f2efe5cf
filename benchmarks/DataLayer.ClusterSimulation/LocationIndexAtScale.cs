using System.Diagnostics;
using DataLayer.Cache;

namespace DataLayer.ClusterSimulation;

/// <summary>
/// Start and location queries of a store of 500,000 packs, 100 files each, and 1,000 large files, of ten snapshots: real names and sidecars
/// of the right length in a directory, sparse data. The first start reads names that are in memory still; drop the page cache before
/// a second run for one from disk.
/// </summary>
internal static class LocationIndexAtScale
{
    const int Snapshots = 10, PacksEach = 50_000, LargeEach = 100, FilesPerPack = 100;
    const long PackLength = 8 << 20;

    public static async Task<int> RunAsync(string directory)
    {
        SimulatedSnapshot[] snapshots = [.. Enumerable.Range(0, Snapshots).Select(i => new SimulatedSnapshot(i, PacksEach, LargeEach))];
        BlockStoreOptions options = new() { Directory = directory, Capacity = 1L << 50, DiskReserve = 0, Warn = Console.Error.WriteLine };
        await (await BlockStore.OpenAsync(options, CancellationToken.None)).DisposeAsync();
        if (!Directory.EnumerateFiles(Path.Combine(directory, "blocks", "00")).Any()) Fill(directory, snapshots);

        Stopwatch watch = Stopwatch.StartNew();
        await using BlockStore store = await BlockStore.OpenAsync(options, CancellationToken.None);
        TimeSpan opened = watch.Elapsed;
        for (int i = 0; i < Snapshots; i++) store.Locations.Track(Id(i), snapshots[i]);
        TimeSpan started = watch.Elapsed;
        watch.Restart();
        const int queries = 10_000;
        long bytes = 0;
        for (int i = 0; i < queries; i++) bytes = store.Locations.Read().Sum(s => s.Value);
        TimeSpan query = watch.Elapsed / queries;
        Console.WriteLine($"{Snapshots * (PacksEach + LargeEach):N0} block files of {Snapshots * (long)PacksEach * FilesPerPack:N0} files in {Snapshots} snapshots, {bytes >> 40:N0} TiB");
        Console.WriteLine($"store open after {opened.TotalSeconds:F2} s, locations counted after {started.TotalSeconds:F2} s; a query {query.TotalMicroseconds:F2} µs");
        return bytes == Snapshots * PacksEach * PackLength ? 0 : 1;
    }

    static Formats.SnapshotId Id(int number) => new(Formats.Digest.Of(BitConverter.GetBytes(number)));

    static void Fill(string directory, SimulatedSnapshot[] snapshots)
    {
        Console.Error.WriteLine($"filling {directory}");
        StorePaths paths = new(directory);
        for (int i = 0; i < snapshots.Length; i++)
        {
            DatasetTag tag = DatasetTag.Of($"dataset-{i}");
            foreach (Formats.BlockFileId pack in snapshots[i].Packs)
            {
                // A length that as many one-MiB units would not have: taken for a pack without being opened.
                using (FileStream sums = File.Create(paths.Sums(pack, tag))) sums.SetLength(Sidecar.FileLength(FilesPerPack));
                using FileStream data = File.Create(paths.Data(pack));
                data.SetLength(PackLength);
            }
        }
    }
}
