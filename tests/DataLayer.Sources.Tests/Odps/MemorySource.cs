using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text;
using DataLayer.Formats;

namespace DataLayer.Sources.Tests.Odps;

/// <summary>Files in memory, with a version each, that notes which bytes are read.</summary>
internal sealed class MemorySource : ISource
{
    readonly ConcurrentDictionary<string, (byte[] Content, int Version)> files = new();
    int versions;

    public ConcurrentQueue<(string Path, long Offset, int Length)> Reads { get; } = new();

    /// <summary>Called before each read; may throw.</summary>
    public Action<string>? OnRead { get; set; }

    public string Identity => "memory://export";

    public long BytesRead => Reads.Sum(read => (long)read.Length);

    public void Put(string path, byte[] content) => files[path] = (content, Interlocked.Increment(ref versions));

    public void Put(string path, string content) => Put(path, Encoding.UTF8.GetBytes(content));

    public byte[] Get(string path) => files[path].Content;

    public void Delete(string path) => files.TryRemove(path, out _);

    public async IAsyncEnumerable<IReadOnlyList<SourceEntry>> ListAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        await Task.Yield();
        // In no order that anybody could rely on.
        foreach ((string path, (byte[] content, int version)) in files.OrderBy(file => file.Key.GetHashCode()))
        {
            yield return [new SourceEntry
            {
                Key = Encoding.UTF8.GetBytes(path),
                Kind = EntryKind.File,
                Size = content.Length,
                MtimeNs = 1_700_000_000_000_000_000 + version,
                Mode = -1,
                Uid = -1,
                Gid = -1,
                VersionTag = BitConverter.GetBytes(version),
            }];
        }
    }

    public ValueTask ReadAsync(SourceFile file, long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        string path = Encoding.UTF8.GetString(file.Key);
        OnRead?.Invoke(path);
        if (!files.TryGetValue(path, out (byte[] Content, int Version) found) || BitConverter.ToInt32(file.VersionTag) != found.Version)
            throw new SourceException(SourceFault.Changed, $"{path} changed");
        found.Content.AsMemory((int)offset, destination.Length).CopyTo(destination);
        Reads.Enqueue((path, offset, destination.Length));
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
