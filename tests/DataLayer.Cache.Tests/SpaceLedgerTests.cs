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

    /// <summary>A full store: each dataset with so many blocks of ten bytes.</summary>
    static SpaceLedger Full(long capacity, Func<DateTime>? clock, params (Registration Dataset, int Blocks, bool Active)[] sets)
    {
        SpaceLedger ledger = new(capacity, new Random(1), clock);
        int number = 0;
        foreach ((Registration dataset, int blocks, bool active) in sets)
        {
            if (active) ledger.Register(dataset);
            for (int i = 0; i < blocks; i++) ledger.TryAdd(Id(number++), dataset.Tag, 10, out _);
        }
        return ledger;
    }

    /// <summary>Evicts and admits as the directory does until the asker gets no more.</summary>
    static int Scan(SpaceLedger ledger, Registration asker, int blocks)
    {
        int admitted = 0;
        for (int i = 0; i < blocks; i++)
        {
            if (ledger.OverQuota(asker.Tag, 10, out _) > 0) break;
            while (ledger.Used + 10 > ledger.Capacity && ledger.TryPickVictim(asker.Tag, 10, out BlockGrant victim)) ledger.TryRemove(victim, out _, out _);
            if (ledger.Used + 10 > ledger.Capacity) break;
            if (ledger.TryAdd(Id(1_000_000 + i), asker.Tag, 10, out _)) admitted++;
        }
        return admitted;
    }

    [Fact]
    public void A_scan_of_a_big_dataset_leaves_a_pinned_one_alone_though_it_is_idle()
    {
        Registration pinned = Dataset("pinned"), idle = Dataset("idle"), big = Dataset("big");
        SpaceLedger ledger = Full(1000, null, (pinned, 30, false), (idle, 70, false), (big, 0, true));
        ledger.SetPolicy(pinned.Tag, new DatasetPolicy { PinnedBytes = 300 });
        Assert.Equal(70, Scan(ledger, big, 500));
        Assert.Equal((300, 0, 700), (ledger.BytesOf(pinned.Tag), ledger.BytesOf(idle.Tag), ledger.BytesOf(big.Tag)));
    }

    [Fact]
    public void A_scan_of_a_big_dataset_leaves_a_small_one_alone_that_is_read_now_and_then()
    {
        DateTime now = DateTime.UnixEpoch;
        long reads = 0;
        Registration hot = new(1, "hot", 1, (ids, _) => new(new bool[ids.Count])) { IdleAfter = TimeSpan.FromMinutes(10), Reads = () => reads };
        Registration big = Dataset("big");
        SpaceLedger ledger = Full(1000, () => now, (hot, 30, true), (big, 70, true));
        for (int minute = 0; minute < 60; minute++)
        {
            now += TimeSpan.FromMinutes(1);
            if (minute % 9 == 0) reads++;
            Assert.Equal(0, Scan(ledger, big, 500));
        }
        // Nobody reads it any more: it gives way.
        now += TimeSpan.FromMinutes(11);
        Assert.Equal(30, Scan(ledger, big, 500));
        // One that is read again gets its share back.
        reads++;
        Assert.Equal(50, Scan(ledger, hot, 500));
    }

    [Fact]
    public void A_pinned_dataset_takes_space_up_to_what_is_pinned_and_then_its_turn()
    {
        Registration pinned = Dataset("pinned"), other = Dataset("other");
        SpaceLedger ledger = Full(1000, null, (pinned, 0, true), (other, 100, true));
        ledger.SetPolicy(pinned.Tag, new DatasetPolicy { PinnedBytes = 800 });
        Assert.Equal(80, Scan(ledger, pinned, 500));
        Assert.Equal((800, 200), (ledger.BytesOf(pinned.Tag), ledger.BytesOf(other.Tag)));
        Assert.Equal(0, Scan(ledger, other, 500));
    }

    [Fact]
    public void Priority_takes_from_lower_ones_and_never_the_other_way_round()
    {
        Registration low = Dataset("low"), high = Dataset("high"), same = Dataset("same");
        SpaceLedger ledger = Full(1000, null, (low, 100, true), (high, 0, true));
        ledger.SetPolicy(high.Tag, new DatasetPolicy { Priority = 1 });
        Assert.Equal(90, Scan(ledger, high, 90));
        Assert.Equal(0, Scan(ledger, low, 500));
        // Among equals the shares hold, of what higher ones leave.
        ledger.Register(same);
        Assert.Equal(5, Scan(ledger, same, 500));
        Assert.Equal((50, 900, 50), (ledger.BytesOf(low.Tag), ledger.BytesOf(high.Tag), ledger.BytesOf(same.Tag)));
        // In use or not: an idle one gives way, whatever its priority.
        ledger.Unregister(high);
        Assert.Equal(45 + 45, Scan(ledger, low, 500));
    }

    [Fact]
    public void Idle_datasets_give_way_lowest_priority_first()
    {
        Registration low = Dataset("low"), high = Dataset("high"), asker = Dataset("asker");
        SpaceLedger ledger = Full(1000, null, (low, 50, false), (high, 50, false), (asker, 0, true));
        ledger.SetPolicy(high.Tag, new DatasetPolicy { Priority = 1 });
        ledger.SetLastUse(low.Tag, DateTime.UtcNow);
        Assert.Equal(50, Scan(ledger, asker, 50));
        Assert.Equal((0, 500), (ledger.BytesOf(low.Tag), ledger.BytesOf(high.Tag)));
    }

    [Fact]
    public void A_quota_counts_what_is_evicted_and_still_held_and_bounds_what_is_taken_over()
    {
        SpaceLedger ledger = new(1000, new Random(1));
        Registration set = Dataset("set"), idle = Dataset("idle");
        ledger.Register(set);
        ledger.SetPolicy(set.Tag, new DatasetPolicy { Quota = 50 });
        ledger.TryAdd(Id(1), set.Tag, 30, out BlockGrant held);
        ledger.AddHolder(held);
        Assert.Equal(-10, ledger.OverQuota(set.Tag, 10, out _));
        ledger.TryRemove(held, out _, out _);
        Assert.Equal((10, 30), (ledger.OverQuota(set.Tag, 30, out long doomed), doomed));
        ledger.RemoveHolder(held);
        Assert.Equal((-20, 0), (ledger.OverQuota(set.Tag, 30, out doomed), doomed));
        ledger.TryAdd(Id(2), idle.Tag, 40, out BlockGrant taken);
        Assert.Equal(set.Tag, ledger.Retag(taken, set.Tag).Tag);
        ledger.TryAdd(Id(3), idle.Tag, 40, out BlockGrant left);
        Assert.Equal(idle.Tag, ledger.Retag(left, set.Tag).Tag);
        Assert.True(ledger.BytesOf(set.Tag) <= 50);
    }

    [Fact]
    public void Random_policies_never_exceed_a_quota_nor_touch_what_is_pinned()
    {
        int seed = Environment.TickCount;
        for (int round = 0; round < 20; round++)
        {
            Random random = new(seed + round);
            string at = $"seed {seed + round}";
            SpaceLedger ledger = new(2000, random);
            Registration[] sets = [.. Enumerable.Range(0, 6).Select(i => Dataset($"set{i}", random.Next(1, 4)))];
            long[] quotas = new long[6], pins = new long[6];
            for (int i = 0; i < 6; i++)
            {
                quotas[i] = random.Next(3) == 0 ? random.Next(100, 900) : long.MaxValue;
                pins[i] = random.Next(4) == 0 ? Math.Min(quotas[i], random.Next(10, 300)) : 0;
                ledger.SetPolicy(sets[i].Tag, new DatasetPolicy { Quota = quotas[i] == long.MaxValue ? null : quotas[i], PinnedBytes = pins[i], Priority = random.Next(3) });
            }
            HashSet<int> active = [];
            for (int step = 0; step < 3000; step++)
            {
                int set = random.Next(6);
                if (random.Next(20) == 0)
                {
                    if (active.Remove(set)) ledger.Unregister(sets[set]);
                    else if (active.Add(set)) ledger.Register(sets[set]);
                    continue;
                }
                long[] before = [.. sets.Select(s => ledger.BytesOf(s.Tag))];
                long need = random.Next(1, 40);
                if (ledger.OverQuota(sets[set].Tag, need, out _) > 0) continue;
                while (ledger.Used + need > ledger.Capacity && ledger.TryPickVictim(sets[set].Tag, need, out BlockGrant victim)) ledger.TryRemove(victim, out _, out _);
                if (ledger.Used + need <= ledger.Capacity) ledger.TryAdd(Id(round * 10_000 + step), sets[set].Tag, need, out _);
                for (int i = 0; i < 6; i++)
                {
                    Assert.True(ledger.BytesOf(sets[i].Tag) <= quotas[i], at);
                    Assert.True(pins[i] == 0 || i == set || ledger.BytesOf(sets[i].Tag) >= before[i], at);
                }
                Assert.Equal(ledger.Used, sets.Sum(s => ledger.BytesOf(s.Tag)));
                Assert.True(ledger.Used <= ledger.Capacity, at);
            }
        }
    }
}
