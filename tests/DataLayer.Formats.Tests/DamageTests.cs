using System.Buffers.Binary;
using Xunit;
using static DataLayer.Formats.Tests.ListedSource;

namespace DataLayer.Formats.Tests;

/// <summary>A damaged manifest is a ManifestException, a hostile one that or some answer; neither is ever a crash, a hang or another answer than the right one.</summary>
public sealed class DamageTests : BuilderTests
{
    static readonly LayoutParameters SmallPacks = new() { PackThreshold = 2000, PackTarget = 3000, PackLimit = 10_000, SliceSize = 1 << 20 };

    async Task<byte[]> Small()
    {
        SourceEntry[] listing =
        [
            File("a/1", 100), File("a/2", 1999, tag: "short"), File("a/3", 5L << 30), File("b/c/d", 0), File("b/c/e", 700), Symlink("l", "a/1"),
            Directory("empty"), File("x//y"), File("z", 2001), .. Enumerable.Range(0, 40).Select(i => File($"many/{i}", 300 + i)),
        ];
        (await Build(listing, new() { Layout = SmallPacks }, "small")).Dispose();
        return Content("small");
    }

    /// <summary>The answers of a file, or null when it was refused.</summary>
    string? Answers(byte[] content)
    {
        System.IO.File.WriteAllBytes(Scratch["damaged"], content);
        try
        {
            using Manifest manifest = Manifest.Open(Scratch["damaged"]);
            return ManifestForgery.Walk(manifest);
        }
        catch (ManifestException fault)
        {
            Assert.Contains(Scratch["damaged"], fault.Message);
            return null;
        }
    }

    [Fact]
    public async Task A_flipped_bit_anywhere_in_a_small_manifest_is_refused()
    {
        byte[] content = await Small();
        Assert.NotNull(Answers(content));
        Random random = new(1);
        for (int i = 0; i < content.Length; i++)
        {
            content[i] ^= (byte)(1 << random.Next(8));
            Assert.True(Answers(content) is null, $"byte {i}");
            content[i] = Content("small")[i];
        }
    }

    [Fact]
    public async Task A_manifest_cut_anywhere_is_refused()
    {
        byte[] content = await Small();
        for (int length = 0; length < content.Length; length++) Assert.Null(Answers(content[..length]));
        Assert.Null(Answers([.. content, 0]));
    }

    [Fact]
    public async Task A_flipped_bit_in_a_manifest_of_many_pages_is_refused_or_not_met()
    {
        Random random = new(2);
        List<SourceEntry> listing = RandomListing.Make(random, 3000);
        (await Build(listing, name: "large")).Dispose();
        byte[] content = Content("large");
        Assert.True(content.Length > 10 * MappedPages.PageSize);
        string expected = Answers(content)!;
        for (int round = 0; round < 40; round++)
        {
            int at = random.Next(content.Length);
            content[at] ^= (byte)(1 << random.Next(8));
            Assert.True(Answers(content) is null, $"byte {at}: a walk over everything meets every page");

            // Single questions meet few pages: then they are answered, and rightly.
            System.IO.File.WriteAllBytes(Scratch["damaged"], content);
            Ask(Scratch["damaged"], random, Scratch["large"]);
            content[at] = Content("large")[at];
        }
        Assert.Equal(expected, Answers(content));
    }

    static void Ask(string damagedPath, Random random, string rightPath)
    {
        using Manifest right = Manifest.Open(rightPath);
        try
        {
            using Manifest damaged = Manifest.Open(damagedPath);
            for (int i = 0; i < 20; i++)
            {
                EntryIndex entry = new(random.Next(right.EntryCount));
                Assert.Equal(right.Get(entry), damaged.Get(entry));
                Assert.Equal(right.GetPath(entry), damaged.GetPath(entry));
                if (right.Get(entry).Kind == EntryKind.File) Assert.Equal(right.Locate(entry), damaged.Locate(entry));
            }
        }
        catch (ManifestException)
        {
            return;
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task A_forged_manifest_never_crashes_or_hangs_its_reader(int seed)
    {
        byte[] original = await Small();
        Random random = new(seed);
        int refused = 0;
        for (int round = 0; round < 2500; round++)
        {
            byte[] content = (byte[])original.Clone();
            for (int edits = random.Next(1, 4); edits > 0; edits--)
            {
                int at = random.Next(ManifestFormat.SectionCountAt, content.Length - 8);
                switch (random.Next(4))
                {
                    case 0: content[at] ^= (byte)(1 << random.Next(8)); break;
                    case 1: content[at] = 0xFF; break;
                    case 2: BinaryPrimitives.WriteUInt32LittleEndian(content.AsSpan(at), (uint)random.Next(1 << random.Next(31))); break;
                    default: BinaryPrimitives.WriteInt64LittleEndian(content.AsSpan(at), random.Next(3) switch { 0 => -1, 1 => long.MaxValue, _ => random.NextInt64() }); break;
                }
            }
            if (Answers(ManifestForgery.Seal(content)) is null) refused++;
            try
            {
                using Manifest manifest = Manifest.Open(Scratch["damaged"]);
                manifest.Verify(CancellationToken.None);
            }
            catch (ManifestException)
            {
                // Refused: one of the two permitted outcomes. Any other exception fails the test.
            }
        }
        Assert.InRange(refused, 500, 2400);
    }

    [Fact]
    public async Task Counts_without_content_are_refused_at_open()
    {
        // All columns of width 0 would let a file of a few hundred bytes claim two billion entries.
        byte[] content = await Small();
        for (int row = 0; row < BinaryPrimitives.ReadInt32LittleEndian(content.AsSpan(ManifestFormat.SectionCountAt)); row++)
        {
            Span<byte> section = content.AsSpan(ManifestFormat.HeaderSize + (row * ManifestFormat.SectionRowSize), ManifestFormat.SectionRowSize);
            SectionRow value = SectionRow.Read(section);
            if (value.Count == BinaryPrimitives.ReadInt32LittleEndian(content.AsSpan(MetaOffset(content) + 32)))
                (value with { Width = 0, Count = int.MaxValue - 1 }).Write(section);
        }
        BinaryPrimitives.WriteInt32LittleEndian(content.AsSpan(MetaOffset(content) + 32), int.MaxValue - 1);
        System.IO.File.WriteAllBytes(Scratch["damaged"], ManifestForgery.Seal(content));
        Assert.Throws<ManifestException>(() => Manifest.Open(Scratch["damaged"]));
    }

    static int MetaOffset(byte[] content) => (int)SectionRow.Read(content.AsSpan(ManifestFormat.HeaderSize, ManifestFormat.SectionRowSize)).Offset;

    [Fact]
    public async Task A_forged_name_cannot_lead_a_source_out_of_its_root()
    {
        (await Build([File("aa/secret")], name: "forged")).Dispose();
        byte[] content = Content("forged");
        int at = content.AsSpan().IndexOf("aa"u8);
        "..".Select(c => (byte)c).ToArray().CopyTo(content, at);
        System.IO.File.WriteAllBytes(Scratch["forged"], ManifestForgery.Seal(content));
        using Manifest manifest = Manifest.Open(Scratch["forged"]);
        Assert.Throws<ManifestException>(() => manifest.GetSourceFile(new EntryIndex(2)));
        Assert.Throws<ManifestException>(() => manifest.GetPath(new EntryIndex(2)));
    }

    [Fact]
    public async Task A_pack_id_that_is_not_that_of_its_files_is_refused_before_they_are_fetched()
    {
        (await Build([File("a"), File("b")], name: "forged")).Dispose();
        byte[] content = Content("forged");
        byte[] id = new byte[Digest.Size];
        using (Manifest before = Manifest.Open(Scratch["forged"])) before.GetPack(0).Id.Value.Write(id);
        content[content.AsSpan().IndexOf(id)] ^= 1;
        System.IO.File.WriteAllBytes(Scratch["forged"], ManifestForgery.Seal(content));
        using Manifest manifest = Manifest.Open(Scratch["forged"]);
        Assert.Throws<ManifestException>(() => manifest.GetPackFiles(0));
        Assert.Throws<ManifestException>(() => manifest.Verify(CancellationToken.None));
    }

    [Fact]
    public async Task A_newer_format_is_left_alone_with_a_message_that_says_so()
    {
        byte[] content = await Small();
        BinaryPrimitives.WriteUInt32LittleEndian(content.AsSpan(ManifestFormat.VersionAt), ManifestFormat.Version + 1);
        // Even when nothing behind the version is as we know it.
        content.AsSpan(ManifestFormat.VersionAt + 4).Fill(0xEE);
        System.IO.File.WriteAllBytes(Scratch["newer"], content);
        ManifestException fault = Assert.Throws<ManifestException>(() => Manifest.Open(Scratch["newer"]));
        Assert.Contains("has format 2; this program reads format 1. Upgrade", fault.Message);
    }

    [Fact]
    public async Task Format_0_never_existed()
    {
        byte[] content = await Small();
        content.AsSpan(ManifestFormat.VersionAt, 4).Clear();
        System.IO.File.WriteAllBytes(Scratch["older"], content);
        Assert.Contains("never existed", Assert.Throws<ManifestException>(() => Manifest.Open(Scratch["older"])).Message);
    }

    [Fact]
    public void What_is_no_manifest_is_told_apart_from_a_damaged_one()
    {
        System.IO.File.WriteAllText(Scratch["text"], new string('x', 1000));
        Assert.Contains("is not a DataLayer manifest", Assert.Throws<ManifestException>(() => Manifest.Open(Scratch["text"])).Message);
        System.IO.File.WriteAllText(Scratch["empty"], "");
        Assert.Contains("is not a manifest: it has only 0 bytes", Assert.Throws<ManifestException>(() => Manifest.Open(Scratch["empty"])).Message);
        Assert.Contains("Cannot open manifest", Assert.Throws<ManifestException>(() => Manifest.Open(Scratch["missing"])).Message);
        Assert.Contains("Cannot open manifest", Assert.Throws<ManifestException>(() => Manifest.Open(Scratch.Root)).Message);
    }
}
