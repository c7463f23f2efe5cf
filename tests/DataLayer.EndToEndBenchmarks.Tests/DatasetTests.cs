using System.Security.Cryptography;
using System.Text;
using DataLayer.EndToEndBenchmarks.Data;
using Xunit;

namespace DataLayer.EndToEndBenchmarks.Tests;

public sealed class DatasetTests : IDisposable
{
    private readonly ScratchFolder _folder = new();

    [Fact]
    public void Sizes_have_the_asked_mean_and_limits()
    {
        long[] sizes = DatasetSpec.W1(5000).Sizes();
        Assert.InRange(sizes.Average(), (112 << 10) * 0.999, (112 << 10) * 1.001);
        Assert.InRange(sizes.Min(), 4 << 10, 16 << 10);
        Assert.InRange(sizes.Max(), (1 << 20) - 1, 1 << 20);
        Assert.All(DatasetSpec.W2(10).Sizes(), size => Assert.Equal(4096, size));
    }

    [Fact]
    public void Blob_index_and_directory_tell_the_same_bytes()
    {
        using var dataset = Dataset.Open(new DatasetSpec("mixed", 40, 3, 0, 5000, 20_000), _folder.Path);
        string tree = dataset.Materialize(Path.Combine(_folder.Path, "tree"));
        byte[] blob = File.ReadAllBytes(dataset.BlobPath);
        Assert.Equal(dataset.Index.TotalBytes, blob.Length);
        for (int i = 0; i < dataset.Index.Count; i++)
        {
            IndexEntry entry = dataset.Index[i];
            byte[] file = File.ReadAllBytes(Path.Combine(tree, Encoding.UTF8.GetString(dataset.Index.Key(i))));
            Assert.Equal(blob[(int)entry.Offset..(int)(entry.Offset + entry.Size)], file);
            Assert.Equal(MD5.HashData(file), ((ReadOnlySpan<byte>)entry.Md5).ToArray());
            byte[] again = new byte[file.Length];
            Content.Fill(again, Dataset.SeedOf(i), 0);
            Assert.Equal(again, file);
        }

        Assert.Equal(dataset.Index.Count, Directory.GetFiles(tree, "*", SearchOption.AllDirectories).Length);
    }

    [Fact]
    public void Keys_are_in_the_order_of_their_bytes()
    {
        using var dataset = Dataset.Open(new DatasetSpec("sorted", 1200, 12, 1, 1, 1), _folder.Path);
        for (int i = 1; i < dataset.Index.Count; i++) Assert.True(dataset.Index.Key(i - 1).SequenceCompareTo(dataset.Index.Key(i)) < 0);
    }

    [Fact]
    public void Two_folders_get_equal_data_sets_and_an_interrupted_one_is_made_again()
    {
        var spec = new DatasetSpec("twice", 20, 2, 100, 900, 4000);
        using var first = Dataset.Open(spec, Path.Combine(_folder.Path, "a"));
        // An interrupted run leaves a blob without an index, or a piece of one under a temporary name.
        Directory.CreateDirectory(Path.Combine(_folder.Path, "b"));
        File.WriteAllText(Path.Combine(_folder.Path, "b", spec.FileName + ".blob"), "half");
        File.WriteAllText(Path.Combine(_folder.Path, "b", spec.FileName + ".index.unfinished"), "half");
        using var second = Dataset.Open(spec, Path.Combine(_folder.Path, "b"));
        Assert.Equal(File.ReadAllBytes(first.BlobPath), File.ReadAllBytes(second.BlobPath));
        Assert.Equal(File.ReadAllBytes(first.IndexPath), File.ReadAllBytes(second.IndexPath));
    }

    [Fact]
    public void File_names_tell_the_spec_and_others_are_refused()
    {
        foreach (DatasetSpec spec in (DatasetSpec[])[DatasetSpec.W1(20_000), DatasetSpec.W2(7), DatasetSpec.W3(2L << 30)])
            Assert.Equal(spec, DatasetSpec.FromFileName(spec.FileName));
        foreach (string name in (string[])["", "w1", "w1-v0-1x1-1-1-1", "w1-v1-ax1-1-1-1", "w1-v1-1x1-1-1-1-1"])
            Assert.Throws<InvalidDataException>(() => DatasetSpec.FromFileName(name));
    }

    [Fact]
    public void A_foreign_or_cut_index_is_refused()
    {
        using var dataset = Dataset.Open(new DatasetSpec("cut", 5, 1, 10, 10, 10), _folder.Path);
        byte[] bytes = File.ReadAllBytes(dataset.IndexPath);
        string other = Path.Combine(_folder.Path, "other");
        File.WriteAllBytes(other, bytes[..^1]);
        Assert.Throws<InvalidDataException>(() => new DatasetIndex(other));
        bytes[0] ^= 1;
        File.WriteAllBytes(other, bytes);
        Assert.Throws<InvalidDataException>(() => new DatasetIndex(other));
        File.WriteAllBytes(other, bytes[..10]);
        Assert.Throws<InvalidDataException>(() => new DatasetIndex(other));
    }

    [Fact]
    public void Content_of_a_range_needs_nothing_before_it()
    {
        byte[] whole = new byte[10_001];
        Content.Fill(whole, 42, 0);
        byte[] part = new byte[1601];
        Content.Fill(part, 42, 8400);
        Assert.Equal(whole[8400..], part);
        Assert.True(Content.Matches(whole.AsSpan(800, 1600), 42, 800));
        Assert.False(Content.Matches(whole.AsSpan(800, 1600), 42, 808));
        Assert.False(Content.Matches(whole.AsSpan(800, 1600), 43, 800));
        whole[2399] ^= 0x80;
        Assert.False(Content.Matches(whole.AsSpan(800, 1600), 42, 800));
    }

    [Fact]
    public void An_order_holds_every_file_once_and_depends_on_its_seed()
    {
        int[] order = Permutation.Of(1000, 5);
        Assert.Equal(Enumerable.Range(0, 1000), order.Order());
        Assert.Equal(order, Permutation.Of(1000, 5));
        Assert.NotEqual(order, Permutation.Of(1000, 6));
        Assert.NotEqual(Enumerable.Range(0, 1000), order);
    }

    public void Dispose() => _folder.Dispose();
}
