using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using DataLayer.Formats;

namespace DataLayer.FuseFs.Tests;

/// <summary>A tree in memory that is both the source of a dataset and the model its mount is compared with.</summary>
sealed class ModelSource : ISource
{
    /// <summary>Path → content of files; a null content is a symlink to "target of PATH".</summary>
    public SortedDictionary<string, byte[]?> Entries { get; } = new(StringComparer.Ordinal);

    /// <summary>What reads see; null makes every read fail as if the server were away.</summary>
    public ConcurrentDictionary<string, byte[]>? Served { get; set; } = new();

    public string Identity => "model://source";

    public void Put(string path, byte[] content)
    {
        Entries[path] = content;
        Served![path] = content;
    }

    static byte[] Tag(byte[] content) => Encoding.ASCII.GetBytes(Convert.ToHexStringLower(MD5.HashData(content)));

    public async IAsyncEnumerable<IReadOnlyList<SourceEntry>> ListAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        await Task.Yield();
        foreach (KeyValuePair<string, byte[]?>[] page in Entries.Chunk(13))
        {
            yield return [.. page.Select(entry => new SourceEntry
            {
                Key = Encoding.UTF8.GetBytes(entry.Key),
                Kind = entry.Value is null ? EntryKind.Symlink : EntryKind.File,
                Size = entry.Value?.Length ?? 0,
                MtimeNs = 1_700_000_000_123_456_789,
                Mode = 0x1A4,
                Uid = 7,
                Gid = 8,
                VersionTag = entry.Value is null ? [] : Tag(entry.Value),
                LinkTarget = entry.Value is null ? Encoding.UTF8.GetBytes("target of " + entry.Key) : [],
            })];
        }
    }

    public async ValueTask ReadAsync(SourceFile file, long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        await Task.Yield();
        if (Served is not { } served) throw new SourceException(SourceFault.Unavailable, "the model is away");
        if (!served.TryGetValue(Encoding.UTF8.GetString(file.Key), out byte[]? content) || !Tag(content).AsSpan().SequenceEqual(file.VersionTag))
            throw new SourceException(SourceFault.Changed, "the model changed");
        content.AsMemory((int)offset, destination.Length).CopyTo(destination);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
