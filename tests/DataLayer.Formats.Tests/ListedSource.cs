using System.Runtime.CompilerServices;
using System.Text;

namespace DataLayer.Formats.Tests;

/// <summary>A source that is nothing but its listing, delivered in pages of a few entries.</summary>
sealed class ListedSource(string identity, IReadOnlyList<SourceEntry> entries, int pageSize = 7) : ISource
{
    public string Identity => identity;

    public async IAsyncEnumerable<IReadOnlyList<SourceEntry>> ListAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        for (int i = 0; i < entries.Count; i += pageSize)
        {
            await Task.Yield();
            cancellation.ThrowIfCancellationRequested();
            yield return [.. entries.Skip(i).Take(pageSize)];
        }
    }

    public ValueTask ReadAsync(SourceFile file, long offset, Memory<byte> destination, CancellationToken cancellation) =>
        throw new SourceException(SourceFault.Misconfigured, "This source has no content.");

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    internal static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);

    internal static SourceEntry File(string key, long size = 10, long mtime = 1_000_000_000, string tag = "0123456789abcdef0123456789abcdef") => new()
    {
        Key = Bytes(key),
        Kind = EntryKind.File,
        Size = size,
        MtimeNs = mtime,
        Mode = -1,
        Uid = -1,
        Gid = -1,
        VersionTag = Bytes(tag),
    };

    internal static SourceEntry Directory(string key, long mtime = 5, int mode = 0x1ED, long uid = 1000, long gid = 100) => new()
    {
        Key = Bytes(key),
        Kind = EntryKind.Directory,
        MtimeNs = mtime,
        Mode = mode,
        Uid = uid,
        Gid = gid,
    };

    internal static SourceEntry Symlink(string key, string target) => new()
    {
        Key = Bytes(key),
        Kind = EntryKind.Symlink,
        MtimeNs = 77,
        Mode = 0x1FF,
        Uid = 0,
        Gid = 0,
        LinkTarget = Bytes(target),
    };
}
