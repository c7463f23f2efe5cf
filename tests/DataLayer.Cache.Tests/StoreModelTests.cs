using DataLayer.Formats;
using Xunit;
using Xunit.Abstractions;

namespace DataLayer.Cache.Tests;

/// <summary>Random operations on a store against the model "a read returns the file's bytes, and the limit holds".</summary>
public sealed class StoreModelTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Random_reads_kills_bit_flips_and_evictions_never_show_a_wrong_byte()
    {
        int seed = Environment.TickCount;
        long reads = 0, kills = 0, flips = 0, evictions = 0, bad = 0;
        for (int round = 0; round < 12; round++)
        {
            try
            {
                using CacheFolder folder = new();
                Random random = new(seed + round);
                FakeSnapshot[] snapshots = [.. Enumerable.Range(0, 3).Select(i => Snapshot(random, seed + round * 10 + i))];
                FakeSource source = new() { Fault = _ => Random.Shared.Next(50) == 0 ? new SourceException(SourceFault.Unavailable, "now and then") : null };
                long capacity = (long)(snapshots.Sum(s => s.TotalBytes) * (0.15 + random.NextDouble()));
                for (int life = 0; life < 4; life++)
                {
                    BlockStore store = await folder.OpenAsync(capacity);
                    DatasetReader?[] readers = new DatasetReader?[3];
                    for (int step = 0; step < 60; step++)
                    {
                        int i = random.Next(3);
                        if (readers[i] != null && random.Next(20) == 0)
                        {
                            await readers[i]!.DisposeAsync();
                            readers[i] = null;
                            continue;
                        }
                        readers[i] ??= new DatasetReader(store, snapshots[i], [source], new DatasetOptions { Name = $"set{i}", ReadDeadline = TimeSpan.FromSeconds(30) });
                        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => ReadSomethingAsync(readers[i]!, snapshots[i], new Random(random.Next()))));
                        reads += 3;
                        Assert.InRange(store.Space.Used, 0, capacity);
                    }
                    evictions += store.Statistics.Evictions;
                    bad += store.Statistics.BadChecksums;
                    bool killed = random.Next(2) == 0;
                    foreach (DatasetReader? reader in readers)
                        if (reader != null) await reader.DisposeAsync();
                    await store.CloseAsync(discard: killed);
                    if (killed) kills++;
                    foreach (string path in Directory.GetFiles(Path.Combine(folder.Cache, "blocks"), "*", SearchOption.AllDirectories))
                    {
                        if (random.Next(8) != 0) continue;
                        await DiskFaultTests.FlipAsync(path, random.NextInt64(Math.Max(1, new FileInfo(path).Length)), random);
                        flips++;
                    }
                }
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed {seed + round} (base {seed}, round {round})", e);
            }
        }
        output.WriteLine($"{reads} reads, {kills} kills, {flips} flipped bits, {evictions} evictions, {bad} bad checksums met");
        Assert.True(evictions > 0 && bad > 0 && kills > 0);
    }

    static FakeSnapshot Snapshot(Random random, int seed) =>
        new(seed, [.. Enumerable.Range(0, random.Next(5, 60)).Select(_ => random.Next(20) switch
        {
            0 => 0,
            1 => 1,
            2 => random.Next(1 << 20, 6 << 20),
            3 => 1 << 20,
            4 => 2 << 20,
            _ => random.Next(200_000),
        })], packTarget: 600_000);

    static async Task ReadSomethingAsync(DatasetReader reader, FakeSnapshot snapshot, Random random)
    {
        FileLocation file = snapshot.Files[random.Next(snapshot.Files.Count)];
        long offset = random.Next(3) == 0 ? 0 : random.NextInt64(file.Length + 10);
        int length = random.Next(3) == 0 ? (int)file.Length + 5 : random.Next(300_000);
        byte[] expected = snapshot.Content(file, offset, length), bytes = new byte[length];
        int read = random.Next(2) == 0 ? reader.TryRead(file, offset, bytes) : -1;
        if (read < 0) read = await reader.ReadAsync(file, offset, bytes, CancellationToken.None);
        Assert.Equal(expected.Length, read);
        Assert.True(expected.AsSpan().SequenceEqual(bytes.AsSpan(0, read)), $"file {file.Entry.Value} of {snapshot.Seed}, {length} bytes at {offset}");
        long cached = reader.CachedBytes(file);
        Assert.InRange(cached, 0, file.Length);
    }
}
