using Xunit;

namespace DataLayer.Formats.Tests;

public sealed class RecordSorterTests : IDisposable
{
    readonly ScratchDirectory _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData(1 << 20, 5000, true)]
    [InlineData(16_384, 5000, true)]
    [InlineData(16_384, 5000, false)]
    // More runs than are merged at once.
    [InlineData(2048, 30_000, true)]
    public void Any_number_of_runs_gives_the_order_of_one_sort(long memory, int count, bool keyed)
    {
        Random random = new(count);
        using RecordSorter sorter = new(new TempFiles(_scratch.Root), memory);
        List<(string Key, string Tail)> expected = [];
        for (int i = 0; i < count; i++)
        {
            byte[] key = new byte[keyed ? random.Next(1, 12) : 0], rest = new byte[random.Next(memory > 2048 && random.Next(100) == 0 ? 5000 : 20)];
            random.NextBytes(key);
            random.NextBytes(rest);
            sorter.Add(key, rest);
            expected.Add((Convert.ToHexString(key), Convert.ToHexString(rest)));
        }
        if (memory == 2048) Assert.True(sorter.Generation > RecordSorter.MaxRuns);

        List<(string Key, string Tail)> actual = [];
        IRecordStream records = sorter.Finish();
        while (records.MoveNext())
            actual.Add((Convert.ToHexString(RecordSorter.Key(records.Current)), Convert.ToHexString(RecordSorter.Rest(records.Current))));
        Assert.Equal(expected.OrderBy(row => row.Key, StringComparer.Ordinal).ThenBy(row => row.Tail, StringComparer.Ordinal), actual);
        Assert.False(records.MoveNext());
    }

    [Fact]
    public void A_spool_reads_what_is_in_memory_and_what_is_in_its_file_alike()
    {
        using Spool spool = new(new TempFiles(_scratch.Root));
        Spool.Cursor behind = spool.Open();
        for (ulong i = 0; i < 100_000; i++)
        {
            spool.Append(i);
            if (i % 3 == 0) Assert.Equal(i / 3, behind.TakeUInt64());
        }
        // Before, in, and across the end of what is in the file.
        long inFile = 3 * (1 << 18);
        foreach (long position in (long[])[0, inFile - 8, inFile, 799_992]) spool.Overwrite(position, ulong.MaxValue);
        Spool.Cursor cursor = spool.Open();
        for (ulong i = 0; i < 100_000; i++)
            Assert.Equal(i * 8 is 0 or 799_992 || (long)i * 8 == inFile - 8 || (long)i * 8 == inFile ? ulong.MaxValue : i, cursor.TakeUInt64());
        Assert.True(cursor.AtEnd);
        Assert.Throws<EndOfStreamException>(() => cursor.TakeUInt32());
    }

    [Theory]
    [InlineData(100, 1 << 20)]
    [InlineData(20_000, 4096)]
    public void Ids_come_in_order_with_those_that_are_equal_by_ordinal(int count, long memory)
    {
        Random random = new(3);
        using IdOrder order = new(new TempFiles(_scratch.Root), memory);
        List<(ulong Id, uint Ordinal)> expected = [];
        for (uint i = 0; i < count; i++)
        {
            // The highest twelve bits only: many are equal.
            ulong id = (ulong)random.NextInt64() << 52;
            order.Add(id, i);
            expected.Add((id, i));
        }
        expected[5] = (77, 5);
        Assert.Equal(expected.OrderBy(pair => pair.Id).ThenBy(pair => pair.Ordinal), order.InOrder(new Dictionary<uint, ulong> { [5] = 77 }));
    }
}
