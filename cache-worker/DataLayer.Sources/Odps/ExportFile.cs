using DataLayer.Formats;
using DataLayer.Formats.Tabular;

namespace DataLayer.Sources.Odps;

/// <summary>One data file of a table export.</summary>
/// <param name="Entry">As the source below lists it.</param>
/// <param name="Path">Its key as text, for names and messages; bytes that are not UTF-8 show as U+FFFD.</param>
/// <param name="Run">See <see cref="ExportName.RunOf"/>.</param>
/// <param name="Partition">Partition columns and values, outermost first.</param>
sealed record ExportFile(SourceEntry Entry, string Path, string? Run, IReadOnlyList<KeyValuePair<string, string?>> Partition)
{
    public TableFormat Format { get; init; }

    public string Name => Path[(Path.LastIndexOf('/') + 1)..];

    public string Directory => Path[..(Path.LastIndexOf('/') + 1)];

    public SourceFile Source => new(Entry.Key, Entry.Size, Entry.VersionTag ?? []);
}
