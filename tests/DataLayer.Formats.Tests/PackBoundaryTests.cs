using System.Text;
using Xunit;

namespace DataLayer.Formats.Tests;

public sealed class PackBoundaryTests
{
    static readonly LayoutParameters Layout = new();

    /// <summary>A file; the same one is the same object, so that comparing packs is cheap.</summary>
    sealed class PackedFile(string key, long size)
    {
        internal string Name => key;
        internal byte[] Key { get; } = Encoding.ASCII.GetBytes(key);
        internal long Size => size;
        internal bool IsNatural { get; } = PackBoundaries.IsNatural(Encoding.ASCII.GetBytes(key), size, Layout.PackTarget);
    }

    /// <summary>The packs of files in order, each as the list of its files.</summary>
    static List<List<PackedFile>> Divide(IEnumerable<PackedFile> files)
    {
        List<List<PackedFile>> packs = [];
        PackBoundaries boundaries = new(Layout);
        foreach (PackedFile file in files)
        {
            if (boundaries.Next(0, file.Key, file.Size)) packs.Add([]);
            packs[^1].Add(file);
        }
        return packs;
    }

    static long RandomSize(Random random, string sizes) => sizes switch
    {
        "4 KB" => 4096,
        "tiny" => random.Next(1, 100),
        // Mean about 112 KB, as in the benchmarks' data set.
        "log-normal" => Math.Clamp((long)Math.Exp(11 + Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())), 4096, 1 << 20),
        "largest" => 1 << 20,
        _ => random.NextInt64(1, (1 << 20) + 1),
    };

    [Theory]
    [InlineData("4 KB", 20_000)]
    [InlineData("tiny", 60_000)]
    [InlineData("log-normal", 5000)]
    [InlineData("uniform", 5000)]
    [InlineData("largest", 5000)]
    public void An_edit_changes_at_most_two_packs_in_99_percent_and_never_reaches_past_the_next_natural_boundary(string sizes, int count)
    {
        const int seed = 1, edits = 500;
        Random random = new(seed);
        SortedDictionary<string, long> tree = new(StringComparer.Ordinal);
        while (tree.Count < count) tree[$"dir/{random.Next():x8}"] = RandomSize(random, sizes);
        List<PackedFile> files = [.. tree.Select(pair => new PackedFile(pair.Key, pair.Value))];
        List<List<PackedFile>> before = Divide(files);
        int withinTwo = 0;
        for (int edit = 0; edit < edits; edit++)
        {
            List<PackedFile> edited = [.. files];
            int at = random.Next(files.Count);
            if (random.Next(2) == 0) edited.RemoveAt(at);
            else edited.Insert(at, new PackedFile(files[at].Name[..^1] + (char)(files[at].Name[^1] - 1) + "x", RandomSize(random, sizes)));
            List<List<PackedFile>> after = Divide(edited);

            // What both have at the front and at the back is unchanged; all between is not.
            int front = 0, back = 0;
            while (front < Math.Min(before.Count, after.Count) && before[front].SequenceEqual(after[front])) front++;
            while (back < Math.Min(before.Count, after.Count) - front && before[^(back + 1)].SequenceEqual(after[^(back + 1)])) back++;
            if (Math.Max(before.Count, after.Count) - front - back <= 2) withinTwo++;

            int next = at + 1;
            while (next < files.Count && !files[next].IsNatural) next++;
            if (next < files.Count)
            {
                int untouched = before.Count(pack => string.CompareOrdinal(pack[0].Name, files[next].Name) >= 0);
                Assert.True(back >= untouched, $"seed {seed}, edit {edit}: {untouched} packs lie behind the next natural boundary, {back} are unchanged");
            }
            // Before the edit, only the pack it falls into can change, or the one that its neighbour joins.
            int earlier = before.Count(pack => string.CompareOrdinal(pack[^1].Name, files[at].Name) < 0);
            Assert.True(front >= earlier - 1, $"seed {seed}, edit {edit}: {earlier} packs lie before, {front} are unchanged");
        }
        Assert.True(withinTwo >= 0.99 * edits, $"seed {seed}: {withinTwo} of {edits} edits changed at most two packs");
    }

    [Theory]
    [InlineData("4 KB", 100_000)]
    [InlineData("log-normal", 20_000)]
    [InlineData("largest", 10_000)]
    public void Packs_have_the_target_size_on_average_and_stay_below_the_limit(string sizes, int count)
    {
        Random random = new(2);
        List<List<PackedFile>> packs = Divide(Enumerable.Range(0, count).Select(i => new PackedFile($"{i:d9}", RandomSize(random, sizes))));
        Assert.All(packs, pack => Assert.True(pack.Sum(file => file.Size) <= Layout.PackLimit));
        Assert.InRange(packs.Average(pack => pack.Sum(file => file.Size)) / Layout.PackTarget, 0.75, 1.15);
    }

    [Fact]
    public void Files_of_one_byte_do_not_make_packs_of_millions()
    {
        List<List<PackedFile>> packs = Divide(Enumerable.Range(0, 300_000).Select(i => new PackedFile($"{i:d9}", 1)));
        Assert.All(packs, pack => Assert.True(pack.Count <= Layout.PackLimit / PackBoundaries.FileOverhead));
    }

    [Fact]
    public void Another_source_begins_another_pack()
    {
        PackBoundaries boundaries = new(Layout);
        byte[] key = Enumerable.Range(0, 1000).Select(i => Encoding.ASCII.GetBytes($"k{i}")).First(key => !PackBoundaries.IsNatural(key, 1, Layout.PackTarget));
        Assert.True(boundaries.Next(0, key, 1));
        Assert.False(boundaries.Next(0, key, 1));
        Assert.True(boundaries.Next(1, key, 1));
    }

    [Fact]
    public void A_file_as_large_as_the_target_always_begins_a_pack()
    {
        LayoutParameters layout = new() { PackTarget = 1 << 20 };
        for (int i = 0; i < 1000; i++) Assert.True(PackBoundaries.IsNatural(Encoding.ASCII.GetBytes($"k{i}"), 1 << 20, layout.PackTarget));
    }

    [Theory]
    [InlineData(0, 1, 1000, 1 << 20)]
    [InlineData(10, 0, 1000, 1 << 20)]
    [InlineData(10, 1000, 999, 1 << 20)]
    [InlineData(800, 1000, 1000, 1 << 20)]
    [InlineData(-1, 1000, 2000, 1 << 20)]
    [InlineData(10, 1000, 2000, 0)]
    [InlineData(10, 1000, 2000, (1 << 20) + 1)]
    [InlineData(10, 1000, (1L << 30) + 1, 1 << 20)]
    public void Impossible_layouts_are_refused(long threshold, long target, long limit, long slice)
    {
        LayoutParameters layout = new() { PackThreshold = threshold, PackTarget = target, PackLimit = limit, SliceSize = slice };
        if ((threshold, target, limit) == (0, 1, 1000)) layout.Validate();
        else Assert.Throws<ArgumentException>(layout.Validate);
    }
}
