using DataLayer.EndToEndBenchmarks.Data;

namespace DataLayer.EndToEndBenchmarks.Targets;

/// <summary>Where the benchmark's bucket is served.</summary>
internal sealed record S3Address(int Port, string Bucket)
{
    internal string Endpoint { get; } = $"http://127.0.0.1:{Port}";

    internal string Url(Dataset dataset) => $"s3://{Bucket}/{dataset.Spec.Name}";
}
