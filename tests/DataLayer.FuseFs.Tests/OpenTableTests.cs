using DataLayer.Fuse;
using DataLayer.FuseFs.Holding;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace DataLayer.FuseFs.Tests;

/// <summary>What a successor finds of the files that callers have open.</summary>
public sealed class OpenTableTests : IDisposable
{
    readonly SharedRegion memory = OpenTable.Create();

    OpenTable Open() => OpenTable.Open(SharedRegion.Map(new SafeFileHandle(memory.Descriptor.DangerousGetHandle(), ownsHandle: false), OpenTable.Size));

    static (ulong Node, int BackingId, int Opens)[] Live(OpenTable table)
    {
        List<(ulong, int, int)> live = [];
        foreach (ref readonly OpenEntry entry in table.Entries)
            if (entry.Opens > 0) live.Add((entry.Node, entry.BackingId, entry.Opens));
        live.Sort();
        return [.. live];
    }

    [Fact]
    public void Random_opens_and_releases_are_there_after_each_death()
    {
        const int seed = 11;
        Random random = new(seed);
        Dictionary<ulong, (int Index, int BackingId, int Opens)> model = [];
        for (int life = 0; life < 20; life++)
        {
            using OpenTable table = Open();
            Assert.True(model.Select(pair => (pair.Key, pair.Value.BackingId, pair.Value.Opens)).Order().SequenceEqual(Live(table)), $"seed {seed}, life {life}");
            for (int step = 0; step < 200; step++)
            {
                ulong node = (ulong)random.Next(1, 50);
                if (!model.TryGetValue(node, out var open))
                {
                    int backing = random.Next(2) * random.Next(1, 100);
                    open = (table.Add(new FuseNodeId(node), backing), backing, 0);
                }

                open.Opens += open.Opens == 0 || random.Next(2) == 0 ? 1 : -1;
                table.SetOpens(open.Index, open.Opens, (ulong)step);
                if (open.Opens == 0) model.Remove(node);
                else model[node] = open;
            }
        }
    }

    [Fact]
    public void A_file_that_was_chosen_and_not_counted_yet_is_not_open()
    {
        using (OpenTable table = Open()) Assert.True(table.Add(new FuseNodeId(5), 7) >= 0);
        using OpenTable after = Open();
        Assert.Empty(Live(after));
    }

    [Fact]
    public void A_full_table_says_so_for_ever()
    {
        using (OpenTable table = Open())
        {
            for (int i = 0; i < OpenTable.Capacity; i++) table.SetOpens(table.Add(new FuseNodeId((ulong)i + 1), 0), 1, 0);
            Assert.False(table.HasOverflowed);
            Assert.Equal(-1, table.Add(new FuseNodeId(100_000), 3));
            table.SetOpens(-1, 1, 0);
        }

        using OpenTable after = Open();
        Assert.True(after.HasOverflowed);
        Assert.Equal(OpenTable.Capacity, Live(after).Length);
    }

    [Fact]
    public void Memory_of_another_version_is_refused()
    {
        using SharedRegion other = SharedRegion.Create("test", OpenTable.Size);
        Assert.Throws<UserException>(() => OpenTable.Open(SharedRegion.Map(new SafeFileHandle(other.Descriptor.DangerousGetHandle(), ownsHandle: false), OpenTable.Size)));
    }

    public void Dispose() => memory.Dispose();
}
