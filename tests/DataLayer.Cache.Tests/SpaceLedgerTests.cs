using System.Buffers.Binary;
using DataLayer.Formats;
using Xunit;

namespace DataLayer.Cache.Tests;

public sealed class SpaceLedgerTests
{
    static BlockFileId Id(int number)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        return new BlockFileId(Digest.Of(bytes));
    }

    static Registration Dataset(string name, double weight = 1) => new(0, name, weight, (ids, _) => new(new bool[ids.Count]));

    [Fact]
    public void Random_operations_agree_with_plain_sums()
    {
        int seed = Environment.TickCount;
        for (int round = 0; round < 6; round++)
        {
            Random random = new(seed + round);
            SpaceLedger ledger = new(1000, random);
            Dictionary<int, (BlockGrant Grant, long Bytes)> present = [];
            List<(BlockGrant Grant, long Bytes, bool Gone)> holds = [];
            string[] names = ["a", "b", "c"];
            for (int step = 0; step < 1500; step++)
            {
                string at = $"seed {seed + round}, step {step}";
                switch (random.Next(6))
                {
                    case 0 or 1:
                        int number = random.Next(200);
                        long bytes = random.Next(1, 50);
                        bool added = ledger.TryAdd(Id(number), DatasetTag.Of(names[random.Next(3)]), bytes, out BlockGrant grant);
                        Assert.True(added != present.ContainsKey(number), at);
                        if (added) present.Add(number, (grant, bytes));
                        break;
                    case 2 when present.Count > 0:
                        var held = present.ElementAt(random.Next(present.Count)).Value;
                        ledger.AddHolder(held.Grant);
                        holds.Add((held.Grant, held.Bytes, false));
                        break;
                    case 3 when holds.Count > 0:
                        int released = random.Next(holds.Count);
                        ledger.RemoveHolder(holds[released].Grant);
                        holds.RemoveAt(released);
                        break;
                    case 4 when ledger.TryPickAny(out BlockGrant victim):
                        int key = present.Single(p => p.Value.Grant.Serial == victim.Serial).Key;
                        Assert.True(ledger.TryRemove(victim, out BlockFileId id, out long freed), at);
                        Assert.Equal((Id(key), present[key].Bytes), (id, freed));
                        present.Remove(key);
                        holds = [.. holds.Select(h => h.Grant.Serial == victim.Serial ? h with { Gone = true } : h)];
                        break;
                    case 5 when present.Count > 0:
                        int moved = present.ElementAt(random.Next(present.Count)).Key;
                        present[moved] = (ledger.Retag(present[moved].Grant, DatasetTag.Of(names[random.Next(3)])), present[moved].Bytes);
                        break;
                }
                long doomed = holds.Where(h => h.Gone).DistinctBy(h => h.Grant.Serial).Sum(h => h.Bytes);
                Assert.True(ledger.Doomed == doomed, $"doomed {ledger.Doomed}, expected {doomed}, {at}");
                Assert.True(ledger.Used == present.Sum(p => p.Value.Bytes) + doomed, at);
                Assert.Equal(present.Count, ledger.BlockFiles);
            }
            while (ledger.TryPickAny(out BlockGrant victim)) ledger.TryRemove(victim, out _, out _);
            foreach (var hold in holds) ledger.RemoveHolder(hold.Grant);
            Assert.Equal((0, 0, 0), (ledger.Used, ledger.Doomed, ledger.BlockFiles));
        }
    }

    [Fact]
    public void A_dataset_never_gives_way_to_itself()
    {
        SpaceLedger ledger = new(100, new Random(1));
        Registration a = Dataset("a");
        ledger.Register(a);
        for (int i = 0; i < 10; i++) ledger.TryAdd(Id(i), a.Tag, 10, out _);
        Assert.False(ledger.TryPickVictim(a.Tag, 10, out _));
        ledger.Unregister(a);
        Assert.False(ledger.TryPickVictim(a.Tag, 10, out _));
    }

    [Fact]
    public void A_pinned_block_stays()
    {
        SpaceLedger ledger = new(100, new Random(1));
        Registration idle = Dataset("idle"), asker = Dataset("asker");
        ledger.Register(asker);
        BlockGrant[] grants = new BlockGrant[5];
        for (int i = 0; i < 5; i++) ledger.TryAdd(Id(i), idle.Tag, 20, out grants[i]);
        ledger.AddHolder(grants[3]);
        ledger.Pin(grants[3], 1);
        for (int i = 0; i < 4; i++)
        {
            Assert.True(ledger.TryPickVictim(asker.Tag, 20, out BlockGrant victim));
            Assert.NotEqual(grants[3].Serial, victim.Serial);
            ledger.TryRemove(victim, out _, out _);
        }
        Assert.False(ledger.TryPickVictim(asker.Tag, 20, out _));
        ledger.Pin(grants[3], -1);
        Assert.True(ledger.TryPickVictim(asker.Tag, 20, out _));
    }
}
