using System.Buffers.Binary;
using System.Security.Cryptography;

namespace DataLayer.Formats.Tests;

/// <summary>Makes a changed manifest pass its own checksums, as whoever means harm would.</summary>
static class ManifestForgery
{
    internal static byte[] Seal(byte[] content)
    {
        Span<byte> file = content;
        long checksums = BinaryPrimitives.ReadInt64LittleEndian(file[ManifestFormat.ChecksumsAt..]);
        if (checksums >= ManifestFormat.HeaderSize && checksums < content.Length)
        {
            Span<byte> table = file[(int)checksums..];
            for (int page = 0; page * MappedPages.PageSize < checksums && page * 4 + 4 <= table.Length; page++)
            {
                int start = Math.Max(page * MappedPages.PageSize, ManifestFormat.HeaderSize);
                int end = (int)Math.Min((page + 1) * MappedPages.PageSize, checksums);
                BinaryPrimitives.WriteUInt32LittleEndian(table[(page * 4)..], Crc32C.Compute(file[start..end]));
            }
            BinaryPrimitives.WriteUInt32LittleEndian(file[ManifestFormat.ChecksumsCrcAt..], Crc32C.Compute(table));
        }
        SHA256.HashData(file[ManifestFormat.HeaderSize..], file[ManifestFormat.SnapshotIdAt..]);
        BinaryPrimitives.WriteUInt32LittleEndian(file[ManifestFormat.HeaderCrcAt..], Crc32C.Compute(file[..ManifestFormat.HeaderCrcAt]));
        return content;
    }

    /// <summary>Asks everything there is to ask; the answers as one text.</summary>
    internal static string Walk(Manifest manifest)
    {
        List<object> answers = [manifest.Layout, manifest.FileCount, manifest.DirectoryCount, manifest.TotalBytes, manifest.PackCount];
        answers.AddRange(manifest.Sources);
        NameReader names = manifest.ReadNames(EntryIndex.Root);
        for (int i = 0; i < manifest.EntryCount; i++)
        {
            EntryIndex entry = new(i);
            names.Next();
            answers.Add(ManifestModel.Text(names.Name));
            ManifestEntry row = manifest.Get(entry);
            answers.Add(row);
            answers.Add(manifest.Parent(entry));
            answers.Add(ManifestModel.Text(manifest.GetPath(entry)));
            answers.Add(manifest.TryFindNode(row.Node, out EntryIndex found) ? found : "no such node");
            if (row.Kind == EntryKind.Directory)
            {
                answers.Add(manifest.Children(entry));
                answers.Add(manifest.TryLookup(entry, names.Name, out found) ? found : "no such name");
            }
            else if (row.Kind == EntryKind.Symlink)
            {
                answers.Add(ManifestModel.Text(manifest.GetLinkTarget(entry)));
            }
            else
            {
                SourceFile file = manifest.GetSourceFile(entry);
                answers.Add($"{ManifestModel.Text(file.Key)} {ManifestModel.Text(file.VersionTag)}");
                FileLocation location = manifest.Locate(entry);
                answers.Add(location);
                answers.Add(manifest.ContainsBlockFile(location.BlockFile));
            }
            EntryIndex parent = manifest.Parent(entry);
            if (manifest.Get(parent).Kind == EntryKind.Directory) answers.Add(manifest.TryLookup(parent, names.Name, out found) ? found : "no such name");
        }
        for (int pack = 0; pack < manifest.PackCount; pack++)
        {
            answers.Add(manifest.GetPack(pack));
            answers.AddRange(manifest.GetPackFiles(pack).Cast<object>());
        }
        answers.AddRange(manifest.ReadUnrepresentable().Select(key => $"{key.Source} {ManifestModel.Text(key.Key)} {key.Reason}"));
        return string.Join('\n', answers);
    }
}
