using DataLayer.Formats;
using DataLayer.Sources.S3;
using DataLayer.TestKit.S3;
using Xunit.Abstractions;

namespace DataLayer.Sources.Tests;

public sealed class S3ListingTests(ITestOutputHelper output)
{
    static readonly string[] Pieces =
        ["a", "b", "z", "0", "9", "A", " ", "+", "%", "%2F", "&", "<", "\"", "'", "é", "中", "😀", "\n", "\u0001", "-", ".", "~", "\u007f", "\uFFFD", "\U0010FFFF", "data", "00", "=", "?", "#", "\\"];

    /// <summary>Keys of one of several shapes: flat, deep, directory-like, prefixes of each other, odd characters.</summary>
    static HashSet<string> RandomKeys(Random random)
    {
        HashSet<string> keys = [];
        int count = random.Next(1, 600);
        int shape = random.Next(6);
        for (int i = 0; i < count; i++)
        {
            keys.Add(shape switch
            {
                0 => $"{random.Next(100_000):d8}.jpg",
                1 => string.Join('/', Enumerable.Range(0, random.Next(1, 8)).Select(_ => Pieces[random.Next(3)])),
                2 => $"class-{random.Next(20):d3}/img_{random.Next(1000)}.png",
                3 => string.Concat(Enumerable.Repeat("a", random.Next(1, 300))) + (random.Next(3) == 0 ? "/" : ""),
                4 => string.Concat(Enumerable.Range(0, random.Next(1, 6)).Select(_ => random.Next(4) == 0 ? "/" : Pieces[random.Next(Pieces.Length)])),
                _ => Guid.NewGuid().ToString(random.Next(2) == 0 ? "N" : "D") + (random.Next(2) == 0 ? "/x" : ""),
            });
        }
        return keys;
    }

    [Fact]
    public async Task Listing_is_complete_for_random_key_sets_under_random_page_sizes()
    {
        for (int round = 0; round < 60; round++)
        {
            int seed = Random.Shared.Next();
            Random random = new(seed);
            await using FaultyS3Server server = new() { PageLimit = random.Next(1, 40), Versioning = random.Next(3) == 0 ? "Enabled" : null, IgnoreStartAfter = random.Next(8) == 0 };
            string prefix = random.Next(2) == 0 ? "" : "some/prefix é";
            HashSet<string> keys = RandomKeys(random);
            foreach (string key in keys) server.Put(prefix.Length == 0 ? key : $"{prefix}/{key}", [1]);
            if (prefix.Length > 0)
            {
                server.Put(prefix, [1]);
                server.Put(prefix + "0", [1]);
                server.Put(prefix + "\u0001", [1]);
            }
            if (server.Versioning is not null)
            {
                foreach (string key in keys.Take(keys.Count / 3).ToArray())
                {
                    if (random.Next(2) == 0) server.Put(prefix.Length == 0 ? key : $"{prefix}/{key}", [2]);
                    else
                    {
                        server.Delete(prefix.Length == 0 ? key : $"{prefix}/{key}");
                        keys.Remove(key);
                    }
                }
            }

            await using ISource source = TestSources.Open(server, prefix, new SourceOptions { MaxListRequests = random.Next(1, 40) });
            Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(source);
            Assert.True(keys.Select(k => TestSources.Text(k)).Order().SequenceEqual(entries.Keys.Order()), $"seed {seed}");
            Assert.True(entries.Values.All(e => ObjectVersion.TryParse(e.VersionTag, out ObjectVersion v) && (v.VersionId is not null) == (server.Versioning is not null)), $"seed {seed}");
        }
    }

    [Fact]
    public async Task Twenty_thousand_files_in_two_hundred_directories_take_at_most_forty_requests()
    {
        await using FaultyS3Server server = new();
        for (int i = 0; i < 20_000; i++) server.Put($"dir{i % 200:d3}/file{i:d5}.bin", []);
        (Dictionary<string, SourceEntry> entries, int rounds) = await ListInRoundsAsync(server);

        output.WriteLine($"{server.Counts.List} requests, {rounds} rounds");
        Assert.Equal(20_000, entries.Count);
        Assert.InRange(server.Counts.List, 20, 40);
        Assert.InRange(rounds, 1, 9);
    }

    public static TheoryData<string> Shapes => ["flat numbers", "flat hashes", "one big directory among small ones", "deep dates", "many tiny directories", "uneven"];

    static string KeyOf(string shape, int i)
    {
        uint hash = (uint)i * 2654435761;
        return shape switch
        {
            "flat numbers" => $"train/{i:d8}.jpg",
            "flat hashes" => $"{hash:x8}{i:x8}.json",
            "one big directory among small ones" => i % 50 == 0 ? $"small{i % 37}/{i}" : $"train/big/{i:d7}",
            "deep dates" => $"logs/v1/year={2000 + i / 40_000}/month={i / 3_400 % 12:d2}/day={i / 110 % 31:d2}/part-{i:d6}.parquet",
            "many tiny directories" => $"samples/{hash % 40_000:d6}/{i:d6}.txt",
            _ => $"{Math.Sqrt(hash):f0}/{i}",
        };
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public async Task A_long_listing_runs_in_parallel_whatever_its_shape(string shape)
    {
        const int count = 120_000;
        await using FaultyS3Server server = new();
        HashSet<string> keys = [];
        for (int i = 0; i < count; i++)
        {
            string key = KeyOf(shape, i);
            if (keys.Add(key)) server.Put(key, []);
        }
        (Dictionary<string, SourceEntry> entries, int rounds) = await ListInRoundsAsync(server);

        Assert.Equal(keys.Select(k => TestSources.Text(k)).Order(StringComparer.Ordinal), entries.Keys.Order(StringComparer.Ordinal));
        int pages = keys.Count / 1000;
        output.WriteLine($"{shape}: {server.Counts.List} requests for {pages} pages, {rounds} rounds, {server.PeakConcurrency} at once");
        Assert.InRange(server.Counts.List, pages, pages * 2);
        Assert.InRange(rounds, 1, pages / 4);
    }

    /// <summary>
    /// Lists with every answer held back until all requests that can come without it have come: each release is one round
    /// trip, however long that is.
    /// </summary>
    static async Task<(Dictionary<string, SourceEntry> Entries, int Rounds)> ListInRoundsAsync(FaultyS3Server server)
    {
        int rounds = 0;
        TaskCompletionSource gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
        server.OnCall = _ => new S3Fault { Until = Volatile.Read(ref gate).Task };
        using CancellationTokenSource done = new();
        Task pump = Task.Run(async () =>
        {
            int released = 0;
            while (!done.IsCancellationRequested)
            {
                int seen = server.Calls.Count;
                await Task.Delay(15);
                if (seen == released || server.Calls.Count != seen) continue;
                released = seen;
                rounds++;
                Interlocked.Exchange(ref gate, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
            }
        });
        await using ISource source = TestSources.Open(server);
        Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(source);
        await done.CancelAsync();
        await pump;
        return (entries, rounds);
    }
}
