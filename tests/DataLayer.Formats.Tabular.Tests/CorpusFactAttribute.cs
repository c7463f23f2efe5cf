using Xunit;

namespace DataLayer.Formats.Tabular.Tests;

/// <summary>A test over a checkout of apache/parquet-testing, which the environment variable PARQUET_TESTING names.</summary>
public sealed class CorpusFactAttribute : FactAttribute
{
    public CorpusFactAttribute()
    {
        if (Folder is null) Skip = "PARQUET_TESTING does not name a checkout of apache/parquet-testing";
    }

    public static string? Folder => Environment.GetEnvironmentVariable("PARQUET_TESTING") is { Length: > 0 } folder ? folder : null;
}
