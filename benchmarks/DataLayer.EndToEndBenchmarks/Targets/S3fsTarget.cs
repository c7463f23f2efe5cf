using System.Diagnostics;
using DataLayer.EndToEndBenchmarks.Data;

namespace DataLayer.EndToEndBenchmarks.Targets;

/// <summary>s3fs with a file cache. It has no size limit for it, so that a half-size cache cannot be measured.</summary>
internal sealed class S3fsTarget(string folder, S3Address source) : MountTarget("s3fs", folder)
{
    internal override bool IsPeer => true;

    protected override ProcessStartInfo StartInfo(Dataset dataset, long cacheBytes) => new("s3fs",
    [
        $"{source.Bucket}:/{dataset.Spec.Name}", MountPoint, "-f", "-o",
        $"url={source.Endpoint},use_path_request_style,public_bucket=1,ro,allow_other,use_cache={CacheFolder},listobjectsv2," +
        // Attributes of every file fit, and stay for the run.
        "max_stat_cache_size=1000000,stat_cache_expire=86400,enable_noobj_cache,kernel_cache,entry_timeout=86400,attr_timeout=86400," +
        "parallel_count=16,multireq_max=64,nomixupload,umask=0022,complement_stat",
    ]);
}
