using System.Text;
using Xunit;

namespace DataLayer.Formats.Tests;

/// <summary>What a manifest should hold, as a plain dictionary from path (Latin-1 text of its bytes) to the listed entry.</summary>
sealed class ManifestModel
{
    internal SortedDictionary<string, SourceEntry> Entries { get; } = new(StringComparer.Ordinal);

    internal static string Text(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);

    static string ParentOf(string path) => path.LastIndexOf('/') is int slash and >= 0 ? path[..slash] : "";
    static string NameOf(string path) => path[(path.LastIndexOf('/') + 1)..];

    static bool IsMarker(in SourceEntry entry) => entry.Key is [.., (byte)'/'];

    /// <summary>A listing without conflicts, in one source at the root.</summary>
    internal static ManifestModel Of(IEnumerable<SourceEntry> listing)
    {
        ManifestModel model = new();
        foreach (SourceEntry entry in listing)
            model.Entries[Text(entry.Key).TrimEnd('/')] = IsMarker(entry) ? entry with { Kind = EntryKind.Directory } : entry;
        foreach (string path in model.Entries.Keys.ToArray())
        {
            for (string parent = path; parent.Length > 0;)
            {
                parent = ParentOf(parent);
                model.Entries.TryAdd(parent, new SourceEntry { Key = [], Kind = EntryKind.Directory, MtimeNs = SourceEntry.NoTime, Mode = -1, Uid = -1, Gid = -1 });
            }
        }
        return model;
    }

    /// <summary>Compares every answer of the manifest with the model.</summary>
    internal void Check(Manifest manifest)
    {
        Assert.Equal(Entries.Count, manifest.EntryCount);
        Assert.Equal(Entries.Values.Count(entry => entry.Kind == EntryKind.File), manifest.FileCount);
        Assert.Equal(Entries.Values.Count(entry => entry.Kind == EntryKind.Directory), manifest.DirectoryCount);
        Assert.Equal(Entries.Values.Where(entry => entry.Kind == EntryKind.File).Sum(entry => entry.Size), manifest.TotalBytes);
        Assert.Equal(0, manifest.UnrepresentableCount);

        Dictionary<string, List<string>> children = Entries.Keys.Where(path => path.Length > 0)
            .GroupBy(ParentOf).ToDictionary(group => group.Key, group => group.Select(NameOf).Order(StringComparer.Ordinal).ToList());
        HashSet<NodeId> nodes = [];
        foreach ((string path, SourceEntry expected) in Entries)
        {
            EntryIndex entry = Resolve(manifest, path);
            Assert.Equal(path, Text(manifest.GetPath(entry)));
            ManifestEntry actual = manifest.Get(entry);
            Assert.Equal(expected.Kind, actual.Kind);
            Assert.Equal((expected.Mode, expected.Uid, expected.Gid, 0), (actual.Mode, actual.Uid, actual.Gid, actual.Source));
            Assert.Equal(ExpectedMtime(path, expected, children), actual.MtimeNs);
            Assert.True(nodes.Add(actual.Node));
            Assert.True(manifest.TryFindNode(actual.Node, out EntryIndex found));
            Assert.Equal(entry, found);
            if (path.Length > 0) Assert.Equal(Resolve(manifest, ParentOf(path)), manifest.Parent(entry));
            switch (expected.Kind)
            {
                case EntryKind.File:
                    Assert.Equal(expected.Size, actual.Size);
                    SourceFile file = manifest.GetSourceFile(entry);
                    Assert.Equal(expected.Key, file.Key);
                    Assert.Equal(expected.Size, file.Size);
                    Assert.Equal(expected.VersionTag ?? [], file.VersionTag);
                    break;
                case EntryKind.Symlink:
                    Assert.Equal(expected.LinkTarget, manifest.GetLinkTarget(entry));
                    Assert.Equal(expected.LinkTarget.Length, actual.Size);
                    break;
                default:
                    CheckChildren(manifest, entry, children.GetValueOrDefault(path, []));
                    break;
            }
        }
        Assert.Equal(EntryIndex.Root, manifest.Parent(EntryIndex.Root));
        Assert.False(manifest.TryFindNode(new NodeId(0), out _));
        Assert.False(manifest.TryFindNode(new NodeId(0x123456789ABCDEF), out _));
    }

    long ExpectedMtime(string path, SourceEntry entry, Dictionary<string, List<string>> children)
    {
        if (entry.Kind != EntryKind.Directory) return entry.MtimeNs == SourceEntry.NoTime ? 0 : entry.MtimeNs;
        if (entry.MtimeNs != SourceEntry.NoTime && !IsMarker(entry)) return entry.MtimeNs;
        return children.GetValueOrDefault(path, []).Select(name => Entries[path.Length == 0 ? name : $"{path}/{name}"])
            .Where(child => child.Kind == EntryKind.File && child.MtimeNs != SourceEntry.NoTime).Select(child => child.MtimeNs)
            .DefaultIfEmpty(0).Max();
    }

    static void CheckChildren(Manifest manifest, EntryIndex directory, List<string> expected)
    {
        (EntryIndex first, int count) = manifest.Children(directory);
        Assert.Equal(expected.Count, count);
        NameReader reader = manifest.ReadNames(first);
        for (int i = 0; i < count; i++)
        {
            Assert.True(reader.Next());
            Assert.Equal(expected[i], Text(reader.Name));
            Assert.True(manifest.TryLookup(directory, reader.Name, out EntryIndex found));
            Assert.Equal(first.Value + i, found.Value);
        }
        HashSet<string> names = [.. expected];
        foreach (string name in expected.Take(40))
        {
            foreach (string other in (string[])[name + "x", name[..^1], "\0" + name, name + "\xFF", "\xFF" + name])
            {
                if (!names.Contains(other)) Assert.False(manifest.TryLookup(directory, ListedSource.Bytes(other), out _));
            }
        }
        Assert.False(manifest.TryLookup(directory, [], out _));
    }

    internal static EntryIndex Resolve(Manifest manifest, string path)
    {
        EntryIndex entry = EntryIndex.Root;
        foreach (string name in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
            Assert.True(manifest.TryLookup(entry, ListedSource.Bytes(name), out entry), $"'{path}' was not found");
        return entry;
    }
}
