using System.Collections.Concurrent;
using DataLayer.Formats;
using Xunit;
using Xunit.Abstractions;

namespace DataLayer.Cache.Tests;

/// <summary>
/// Power loss, modelled on a copy of the directory taken while it is written: whatever was not forced to disk comes back
/// as any mixture of what was written, zeros, a shorter file and no file, data and sidecar each on its own.
/// </summary>
public sealed class PowerLossTests(ITestOutputHelper output)
{
    [Fact]
    public async Task After_a_power_loss_no_byte_is_wrong_and_what_was_complete_is_still_cached()
    {
        int seed = Environment.TickCount;
        int losses = 0;
        long survived = 0, damaged = 0, bad = 0;
        for (int round = 0; round < 8; round++)
        {
            using CacheFolder folder = new();
            Random random = new(seed + round);
            FakeSnapshot snapshot = new(seed + round, [.. FakeSnapshot.LogNormal(250, seed + round, 0.3), 3 << 20, 2_500_000], packTarget: 700_000);
            ConcurrentDictionary<BlockFileId, bool> synced = new();
            string copy = Path.Combine(folder.Path, "after");
            BlockFileId[] safe;
            await using (BlockStore store = await folder.OpenAsync())
            {
                store.Synced += block => synced.TryAdd(block.Spec.Id, true);
                FakeSource source = new() { Before = (_, cancellation) => Task.Delay(1, cancellation) };
                await using DatasetReader reader = new(store, snapshot, [source], new DatasetOptions { Name = "set" });
                Task reading = ReadInRandomOrderAsync(reader, snapshot, random.Next());
                int wanted = random.Next(1, snapshot.PackCount / 2);
                await Wait.Until(() => synced.Count >= wanted || reading.IsCompleted, "some packs are complete");
                safe = [.. synced.Keys];
                damaged += Lose(folder.Cache, copy, new StorePaths(folder.Cache), [.. safe], random);
                await reading;
            }
            losses++;
            FakeSource after = new();
            await using (BlockStore store = await folder.OpenAsync(directory: copy))
            await using (DatasetReader reader = new(store, snapshot, [after], new DatasetOptions { Name = "set" }))
            {
                foreach (FileLocation file in snapshot.Files.Where(f => safe.Contains(f.BlockFile)))
                    await CompareAsync(reader, snapshot, file, 0, (int)file.Length, seed + round);
                // Reading in order also brings the packs behind them.
                Assert.True(!after.ReadsOfFile.Keys.Any(i => safe.Contains(snapshot.Files[i].BlockFile)), $"a complete block was fetched again (seed {seed + round})");
                survived += safe.Length;
                foreach (FileLocation file in snapshot.Files)
                    for (long at = 0; at < file.Length; at += 100_000)
                        await CompareAsync(reader, snapshot, file, at, 100_000, seed + round);
                bad += store.Statistics.BadChecksums;
            }
        }
        output.WriteLine($"{losses} power losses: {survived} complete blocks survived, {damaged} other files damaged, {bad} bad checksums met");
        Assert.True(survived > 0 && damaged > 0 && bad > 0);
    }

    static async Task CompareAsync(DatasetReader reader, FakeSnapshot snapshot, FileLocation file, long offset, int length, int seed)
    {
        byte[] bytes = await DatasetReaderTests.ReadAsync(reader, file, offset, length);
        Assert.True(snapshot.Content(file, offset, length).AsSpan().SequenceEqual(bytes), $"seed {seed}");
    }

    static async Task ReadInRandomOrderAsync(DatasetReader reader, FakeSnapshot snapshot, int seed)
    {
        FileLocation[] order = [.. snapshot.Files];
        new Random(seed).Shuffle(order);
        foreach (FileLocation file in order) await DatasetReaderTests.ReadAsync(reader, file, 0, (int)file.Length);
    }

    static int Lose(string from, string to, StorePaths paths, HashSet<BlockFileId> safe, Random random)
    {
        int damaged = 0;
        foreach (string path in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            string name = Path.GetFileName(path), target = Path.Combine(to, Path.GetRelativePath(from, path));
            if (path == paths.Socket || path == paths.Lock) continue;
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            byte[] bytes = Read(path);
            bool block = name.Length >= 64 && Digest.TryParse(name.AsSpan(0, 64), out Digest id) && !safe.Contains(new BlockFileId(id));
            int fate = block ? random.Next(4) : 0;
            if (fate != 0) damaged++;
            if (fate == 1) continue;
            if (fate == 2) bytes = bytes[..random.Next(bytes.Length + 1)];
            if (fate == 3)
                for (int page = 0; page < bytes.Length; page += 4096)
                    if (random.Next(3) == 0) bytes.AsSpan(page, Math.Min(4096, bytes.Length - page)).Clear();
            File.WriteAllBytes(target, bytes);
        }
        return damaged;
    }

    static byte[] Read(string path)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        byte[] bytes = new byte[file.Length];
        return bytes[..file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)];
    }
}
