using DataLayer.EndToEndBenchmarks.Data;

namespace DataLayer.EndToEndBenchmarks.Targets;

/// <summary>The same files as a plain directory: on the local disk (kept between runs) or in memory (removed).</summary>
internal sealed class DirectoryTarget(string name, string parent, bool isKept) : Target
{
    internal override string Name => name;

    internal override Task Open(Dataset dataset, long cacheBytes, CancellationToken cancellation)
    {
        Directory.CreateDirectory(parent);
        Root = dataset.Materialize(parent);
        return Task.CompletedTask;
    }

    internal override Task Close() => isKept ? Task.CompletedTask : Tree.Remove(parent);
}
