using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using DataLayer.EndToEndBenchmarks.Data;

namespace DataLayer.EndToEndBenchmarks.Targets;

/// <summary>Our own mount.</summary>
/// <param name="program">The built dl-fuse.</param>
/// <param name="extra">Further options of `dl-fuse mount`, such as a transport or the stub mode.</param>
internal sealed class FuseTarget(string name, string folder, string program, S3Address source, string[] extra) : MountTarget(name, folder)
{
    private readonly string _folder = folder;

    /// <summary>Whether the mount lists the bucket itself instead of taking a snapshot made before.</summary>
    internal bool ListsAtMount { get; set; }

    protected override ProcessStartInfo StartInfo(Dataset dataset, long cacheBytes)
    {
        var start = new ProcessStartInfo(program,
        [
            "mount", source.Url(dataset), MountPoint, .. Connection, "--cache-dir", CacheFolder,
            "--cache-size", cacheBytes.ToString(CultureInfo.InvariantCulture), .. extra,
        ]);
        if (!ListsAtMount)
        {
            start.ArgumentList.Add("--snapshot");
            start.ArgumentList.Add(SnapshotPath(dataset));
        }

        return start;
    }

    /// <summary>Makes the snapshot that mounts are started from; returns how long it took.</summary>
    internal async Task<TimeSpan> MakeSnapshot(Dataset dataset)
    {
        long start = Stopwatch.GetTimestamp();
        await Shell.Check(program, ["snapshot", source.Url(dataset), "-o", SnapshotPath(dataset), .. Connection]);
        return Stopwatch.GetElapsedTime(start);
    }

    /// <summary>What the mount says of itself, as it says it.</summary>
    internal async Task<JsonElement> Stats()
    {
        string text = await Shell.Check(program, ["stats", MountPoint, "--json"]);
        return JsonDocument.Parse(text).RootElement.Clone();
    }

    private string[] Connection =>
        ["--endpoint", source.Endpoint, "--path-style", "--anonymous"];

    private string SnapshotPath(Dataset dataset) => Path.Combine(_folder, dataset.Spec.Name + ".snapshot");
}
