using System.Globalization;
using System.Text;
using Xunit;
using static DataLayer.Formats.Tests.ListedSource;

namespace DataLayer.Formats.Tests;

/// <summary>
/// Bytes that must not change. A difference means that snapshots or blocks written by released programs are read
/// otherwise or named otherwise: raise the format's version instead of replacing the file.
/// </summary>
public sealed class GoldenTests : BuilderTests
{
    static readonly LayoutParameters Layout = new() { PackThreshold = 2000, PackTarget = 3000, PackLimit = 10_000, SliceSize = 1 << 20 };

    static readonly (string Identity, string SubPath, IEnumerable<SourceEntry> Listing)[] Sources =
    [
        ("s3://bucket/prefix/", "",
        [
            File("train/img_0001.jpg", 1200, 1_700_000_001_000_000_000, "00112233445566778899aabbccddeeff"),
            File("train/img_0002.jpg", 1900, 1_700_000_002_000_000_000, "ffeeddccbbaa99887766554433221100-3"),
            File("train/img_0003.jpg", 0, 1_700_000_003_000_000_000),
            File("train/", 0, 1_800_000_000_000_000_000),
            File("big", 5L << 30, 1_700_000_004_000_000_000),
            File("bad//key", 7),
        ]),
        ("file:///data", "local",
        [
            Directory("", mtime: 1_600_000_000_123_456_789),
            File("raw", 16, 1_600_000_000_000_000_000, "\x01\x02\x03\x04\x05\x06\x07\x08\xF1\xF2\xF3\xF4\xF5\xF6\xF7\xF8") with { Mode = 0x1A4, Uid = 1000, Gid = 100 },
            Symlink("link", "../train"),
            File("fifo") with { Kind = EntryKind.Unsupported, Remark = "pipe" },
        ]),
    ];

    [Fact]
    public async Task Manifest_of_format_1_is_written_byte_for_byte()
    {
        (await BuildJoined(Sources, new() { Layout = Layout })).Dispose();
        CompareWithGolden("manifest-1.txt", Annotate(Content("m")));
    }

    [Fact]
    public void Manifest_of_format_1_is_read()
    {
        System.IO.File.WriteAllBytes(Scratch["golden"], Parse(Golden("manifest-1.txt")));
        using Manifest manifest = Manifest.Open(Scratch["golden"]);
        manifest.Verify(CancellationToken.None);
        Assert.Equal(["big", "local/", "train/", "local/link", "local/raw", "train/img_0001.jpg", "train/img_0002.jpg", "train/img_0003.jpg"], Paths(manifest));
        Assert.Equal(Layout, manifest.Layout);
        Assert.Equal(["0 bad//key: has an empty path component", "1 fifo: is a pipe"], LeftOut(manifest));
        ManifestEntry raw = manifest.Get(ManifestModel.Resolve(manifest, "local/raw"));
        Assert.Equal((EntryKind.File, 16L, 1_600_000_000_000_000_000L, 0x1A4, 1000L, 100L, 1), (raw.Kind, raw.Size, raw.MtimeNs, raw.Mode, raw.Uid, raw.Gid, raw.Source));
        Assert.Equal(1_700_000_003_000_000_000, manifest.Get(ManifestModel.Resolve(manifest, "train")).MtimeNs);
        Assert.Equal(5L << 30, manifest.Locate(ManifestModel.Resolve(manifest, "big")).Length);
    }

    [Fact]
    public async Task Pack_layout_of_format_1()
    {
        SourceEntry[] listing = [.. Enumerable.Range(0, 60).Select(i => File($"d{i / 25}/f{i:d2}", i % 7 == 0 ? 0 : i % 11 == 0 ? 2500 : 150 + (i * 23), tag: $"{i}"))];
        using Manifest manifest = await Build(listing, new() { Layout = Layout });
        StringBuilder text = new("# Packs of 60 files, target 3000, limit 10000: id, then path, unit, offset and length of each file.\n");
        for (int pack = 0; pack < manifest.PackCount; pack++)
        {
            text.Append($"{manifest.GetPack(pack).Id}\n");
            foreach (FileLocation file in manifest.GetPackFiles(pack))
                text.Append($"  {ManifestModel.Text(manifest.GetPath(file.Entry))} {file.Unit} {file.Offset} {file.Length}\n");
        }
        text.Append("# Large files: id, path, length.\n");
        for (int i = 0; i < manifest.EntryCount; i++)
        {
            if (manifest.Get(new EntryIndex(i)).Kind != EntryKind.File) continue;
            FileLocation file = manifest.Locate(new EntryIndex(i));
            if (!file.IsPacked && file.Length > 0) text.Append($"{file.BlockFile} {ManifestModel.Text(manifest.GetPath(file.Entry))} {file.Length}\n");
        }
        CompareWithGolden("packs-1.txt", text.ToString());
    }

    static string Golden(string name) => System.IO.File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Golden", name));

    /// <summary>On a difference the actual text is left beside the golden one, for diff.</summary>
    static void CompareWithGolden(string name, string actual)
    {
        string path = Path.Combine(AppContext.BaseDirectory, "Golden", name);
        string expected = System.IO.File.Exists(path) ? System.IO.File.ReadAllText(path) : "";
        if (expected != actual) System.IO.File.WriteAllText(path + ".actual", actual);
        Assert.True(expected == actual, $"'{path}.actual' differs from the golden file");
    }

    /// <summary>Hexadecimal lines, 32 bytes each, with what they are.</summary>
    static string Annotate(byte[] content)
    {
        StringBuilder text = new();
        void Add(string what, int start, int end)
        {
            text.Append($"# {what}\n");
            for (; start < end; start += 32) text.Append($"{Convert.ToHexStringLower(content.AsSpan(start, Math.Min(32, end - start)))}\n");
        }
        Add("magic", 0, 8);
        Add("version, number of sections", 8, 16);
        Add("length of the file, offset of the page checksums", 16, 32);
        Add("snapshot id", 32, 64);
        Add("checksum of the page checksums, reserved, checksum of the header", 64, ManifestFormat.HeaderSize);
        int count = BitConverter.ToInt32(content, ManifestFormat.SectionCountAt);
        SortedDictionary<long, string> starts = [];
        for (int i = 0; i < count; i++)
        {
            int at = ManifestFormat.HeaderSize + (i * ManifestFormat.SectionRowSize);
            SectionRow row = SectionRow.Read(content.AsSpan(at));
            Add($"section {row.Id}: width {row.Width}, stride {row.Stride}, offset {row.Offset}, count {row.Count}", at, at + ManifestFormat.SectionRowSize);
            // Columns share rows: all but the first begin within them.
            if (row.Width == row.Stride || row.Id is Section.Class or Section.TagA or Section.NameOffset or Section.DirectoryFirst or Section.BlockPack)
                starts[row.Offset] = starts.TryGetValue(row.Offset, out string? others) ? $"{others}, {row.Id}" : $"{row.Id}";
        }
        long checksums = BitConverter.ToInt64(content, ManifestFormat.ChecksumsAt);
        starts[checksums] = "page checksums";
        long[] ends = [.. starts.Keys.Skip(1), content.Length];
        foreach (((long start, string what), long end) in starts.Zip(ends)) Add(what, (int)start, (int)end);
        return text.ToString();
    }

    static byte[] Parse(string text) =>
        [.. text.Split('\n').Where(line => !line.StartsWith('#')).SelectMany(line => Enumerable.Range(0, line.Length / 2).Select(i => byte.Parse(line.AsSpan(i * 2, 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture)))];
}
