namespace DataLayer.EndToEndBenchmarks.Reading;

/// <summary>What `dl-bench plain` prints, as one line of JSON.</summary>
internal sealed record PlainResult(double Seconds, int Requests, long Bytes, double CpuSeconds);
