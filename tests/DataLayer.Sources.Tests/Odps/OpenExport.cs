using System.Text;
using System.Text.Json;
using DataLayer.Formats;
using DataLayer.Sources.Odps;

namespace DataLayer.Sources.Tests.Odps;

/// <summary>An export that was listed once.</summary>
internal sealed class OpenExport : IAsyncDisposable
{
    OpenExport(OdpsSource source, Dictionary<string, SourceEntry> entries)
    {
        Source = source;
        Entries = entries;
    }

    public OdpsSource Source { get; }

    public Dictionary<string, SourceEntry> Entries { get; private set; }

    public static async Task<OpenExport> ListAsync(ISource below, OdpsOptions? options = null, Action<string>? notify = null, params string[] folders)
    {
        OdpsSource source = new(below, new SourceOptions { Odps = options ?? new OdpsOptions { Rows = RowViews.All }, Notify = notify, TableFolders = folders });
        return new OpenExport(source, await TestSources.ListAsync(source));
    }

    public async Task ListAgainAsync() => Entries = await TestSources.ListAsync(Source);

    /// <summary>Names of the files outside .table, sorted.</summary>
    public string[] Files => [.. Entries.Keys.Where(name => !name.StartsWith(".table/", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    public bool Has(string name) => Entries.ContainsKey(name);

    public async Task<byte[]> ReadAsync(string name)
    {
        // In pieces, as the cache does.
        SourceEntry entry = Entries[name];
        byte[] bytes = new byte[entry.Size];
        for (int at = 0; at < bytes.Length; at += 1 << 20)
            await Source.ReadAsync(TestSources.File(entry), at, bytes.AsMemory(at, Math.Min(1 << 20, bytes.Length - at)), CancellationToken.None);
        return bytes;
    }

    public async Task<string> TextAsync(string name) => Encoding.UTF8.GetString(await ReadAsync(name));

    public async Task<JsonElement> JsonAsync(string name) => JsonDocument.Parse(await ReadAsync(name)).RootElement;

    public Task<JsonElement> StatsAsync() => JsonAsync(".table/stats.json");

    public async Task<string[]> RowsAsync() => (await TextAsync(".table/rows.jsonl")).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public ValueTask DisposeAsync() => Source.DisposeAsync();
}
