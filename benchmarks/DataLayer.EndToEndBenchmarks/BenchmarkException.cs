namespace DataLayer.EndToEndBenchmarks;

/// <summary>Something that ends one phase of the benchmark, with a line for the report.</summary>
internal sealed class BenchmarkException(string message, Exception? inner = null) : Exception(message, inner);
