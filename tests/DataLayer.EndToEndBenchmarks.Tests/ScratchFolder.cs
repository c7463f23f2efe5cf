namespace DataLayer.EndToEndBenchmarks.Tests;

/// <summary>A folder that lives as long as a test.</summary>
public sealed class ScratchFolder : IDisposable
{
    internal string Path { get; } = Directory.CreateTempSubdirectory("dl-bench-tests-").FullName;

    public void Dispose() => Directory.Delete(Path, true);
}
