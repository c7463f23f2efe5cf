using System.IO.Compression;
using System.Text;
using DataLayer.Formats.Tabular.Text;
using Xunit;

namespace DataLayer.Formats.Tabular.Tests;

public sealed class GzipReaderTests
{
    readonly int seed = Random.Shared.Next();

    static byte[] Content(Random random, int length)
    {
        StringBuilder text = new();
        while (text.Length < length) text.Append(random.Next(4) == 0 ? Convert.ToBase64String(Guid.NewGuid().ToByteArray()) : $"row {random.Next(1000)}\t");
        return Encoding.ASCII.GetBytes(text.ToString(0, length));
    }

    static byte[] Gzip(ReadOnlySpan<byte> content, CompressionLevel level = CompressionLevel.Optimal)
    {
        using MemoryStream packed = new();
        using (GZipStream gzip = new(packed, level)) gzip.Write(content);
        return packed.ToArray();
    }

    static byte[] ReadAll(Stream stream)
    {
        using MemoryStream all = new();
        var piece = new byte[7777];
        for (int read; (read = Table.Done(stream.ReadAsync(piece))) > 0;) all.Write(piece, 0, read);
        return all.ToArray();
    }

    [Fact]
    public void Any_offset_of_any_members_is_reached_from_a_restart()
    {
        Assert.True(GzipReader.CanRestart, "libz.so.1 is not installed");
        Random random = new(seed);
        for (int round = 0; round < 12; round++)
        {
            byte[] content = Content(random, random.Next(100_000, 900_000));
            using MemoryStream members = new();
            for (int at = 0; at < content.Length;)
            {
                int length = Math.Min(content.Length - at, random.Next(3) == 0 ? random.Next(1, 2000) : random.Next(1, content.Length));
                members.Write(Gzip(content.AsSpan(at, length), (CompressionLevel)random.Next(4)));
                at += length;
            }
            var file = new MemoryFile("x.gz", members.ToArray());
            List<GzipRestart> restarts = [];
            Assert.True(content.AsSpan().SequenceEqual(ReadAll(GzipReader.Open(file, restarts, 30_000))), $"seed {seed}");
            for (int i = 0; i < 20; i++)
            {
                int from = random.Next(content.Length + 1);
                using Stream rest = Table.Done(GzipReader.OpenAtAsync(file, restarts, from, default));
                Assert.True(content.AsSpan(from).SequenceEqual(ReadAll(rest)), $"from {from}, round {round}, seed {seed}");
            }
            // At the restarts themselves, whose bits may lie anywhere in a byte.
            foreach (GzipRestart restart in restarts)
            {
                using Stream rest = Table.Done(GzipReader.OpenAtAsync(file, [restart], restart.Offset, default));
                Assert.True(content.AsSpan((int)restart.Offset).SequenceEqual(ReadAll(rest)), $"restart {restart.Offset}, seed {seed}");
            }
        }
    }

    [Fact]
    public void Restarts_lie_about_as_far_apart_as_asked()
    {
        byte[] content = Content(new Random(seed), 4_000_000);
        List<GzipRestart> restarts = [];
        ReadAll(GzipReader.Open(new MemoryFile("x.gz", Gzip(content)), restarts, 500_000));
        Assert.InRange(restarts.Count, 4, 8);
        Assert.All(restarts, restart => Assert.InRange(restart.Window.Length, 1, 33_000));
    }

    [Fact]
    public void What_follows_the_last_member_is_ignored_and_a_cut_or_damaged_file_is_an_error()
    {
        byte[] content = Content(new Random(seed), 200_000), packed = Gzip(content);
        Assert.Equal(content, ReadAll(GzipReader.Open(new MemoryFile("x.gz", (byte[])[.. packed, 0, 0, 0, 0]))));
        foreach (int length in (int[])[5, 9, 100, packed.Length / 2, packed.Length - 1])
            Assert.Throws<InvalidDataException>(() => ReadAll(GzipReader.Open(new MemoryFile("x.gz", packed.AsMemory(0, length)))));
        byte[] damaged = [.. packed];
        damaged[^6] ^= 1;
        Assert.Throws<InvalidDataException>(() => ReadAll(GzipReader.Open(new MemoryFile("x.gz", damaged))));
    }
}
