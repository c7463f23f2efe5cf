using System.Diagnostics;
using System.Globalization;
using DataLayer.EndToEndBenchmarks.Data;

namespace DataLayer.EndToEndBenchmarks.Targets;

/// <summary>rclone mount with a full cache, tuned: each option below made it faster or saved requests.</summary>
internal sealed class RcloneTarget(string folder, S3Address source) : MountTarget("rclone", folder)
{
    internal override bool IsPeer => true;

    protected override ProcessStartInfo StartInfo(Dataset dataset, long cacheBytes)
    {
        var start = new ProcessStartInfo("rclone", Arguments(dataset, cacheBytes));
        // It ends at once with "LoadCustomCABundleError" where this names certificates for other programs.
        start.Environment.Remove("AWS_CA_BUNDLE");
        return start;
    }

    private string[] Arguments(Dataset dataset, long cacheBytes) =>
    [
        "mount",
        string.Create(CultureInfo.InvariantCulture,
            $":s3,provider=Other,env_auth=false,force_path_style=true,no_check_bucket=true,endpoint=\"{source.Endpoint}\":{source.Bucket}/{dataset.Spec.Name}"),
        MountPoint, "--config", "/dev/null", "--cache-dir", CacheFolder, "--read-only", "--allow-other",
        "--vfs-cache-mode", "full", "--vfs-cache-max-size", cacheBytes.ToString(CultureInfo.InvariantCulture),
        "--vfs-cache-max-age", "24h", "--vfs-cache-poll-interval", "1s",
        // The listing tells size and time: no HEAD for them, and the kernel may keep what it knows.
        "--use-server-modtime", "--no-checksum", "--vfs-fast-fingerprint",
        "--dir-cache-time", "24h", "--attr-timeout", "24h", "--poll-interval", "0",
        "--buffer-size", "1M", "--vfs-read-ahead", "8M", "--max-read-ahead", "1M", "--vfs-read-wait", "0",
    ];
}
