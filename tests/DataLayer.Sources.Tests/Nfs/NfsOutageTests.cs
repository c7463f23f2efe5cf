using System.Diagnostics;
using DataLayer.Formats;
using DataLayer.TestKit.Nfs;

namespace DataLayer.Sources.Tests.Nfs;

public sealed class NfsOutageTests
{
    /// <summary>A server that takes no call for longer than this is given up and tried again over a new connection.</summary>
    static readonly SourceOptions Impatient = new() { RequestTimeout = TimeSpan.FromSeconds(0.5), ReadDeadline = TimeSpan.FromSeconds(2) };

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Reads_and_listings_go_on_over_restarts_of_the_server(int version)
    {
        await using GaneshaServer server = await GaneshaServer.StartAsync();
        Random random = new(5);
        Dictionary<string, byte[]> contents = [];
        for (int i = 0; i < 100; i++)
        {
            Directory.CreateDirectory($"{server.Export}/{i}");
            contents.Add($"{i}/f", TestSources.Bytes(random, i % 10 == 0 ? 3 << 20 : random.Next(5000)));
            File.WriteAllBytes($"{server.Export}/{i}/f", contents[$"{i}/f"]);
        }
        await using ISource source = SourceFactory.Open(server.Uri(version), new SourceOptions());
        Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(source);

        using CancellationTokenSource done = new();
        int reads = 0, listings = 0;
        Task reading = Task.WhenAll(Enumerable.Range(0, 4).Select(reader => Task.Run(async () =>
        {
            for (int i = reader; !done.IsCancellationRequested; i = (i + 1) % 100)
            {
                byte[] bytes = await TestSources.ReadAsync(source, entries[$"{i}/f"]);
                Assert.True(contents[$"{i}/f"].AsSpan().SequenceEqual(bytes), $"wrong bytes in {i}/f");
                Interlocked.Increment(ref reads);
            }
        })));
        Task listing = Task.Run(async () =>
        {
            while (!done.IsCancellationRequested)
            {
                Assert.Equal(entries.Count, (await TestSources.ListAsync(source)).Count);
                Interlocked.Increment(ref listings);
            }
        });
        for (int restart = 0; restart < 3; restart++)
        {
            (int readsBefore, int listingsBefore) = (Volatile.Read(ref reads), Volatile.Read(ref listings));
            while (!reading.IsFaulted && !listing.IsFaulted && (Volatile.Read(ref reads) < readsBefore + 20 || Volatile.Read(ref listings) < listingsBefore + 1)) await Task.Delay(1);
            await server.KillAsync();
            await server.RestartAsync();
        }
        await done.CancelAsync();
        await reading;
        await listing;
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    public async Task A_stalled_server_fails_callers_at_their_deadline_and_serves_them_again_when_it_continues(int version)
    {
        await using GaneshaServer server = await GaneshaServer.StartAsync();
        byte[] content = TestSources.Bytes(new Random(2), 2 << 20);
        File.WriteAllBytes(server.Export + "/f", content);
        await using ISource source = SourceFactory.Open(server.Uri(version), Impatient);
        SourceEntry entry = (await TestSources.ListAsync(source))["f"];

        server.Stall();
        byte[] destination = new byte[2 << 20];
        Stopwatch watch = Stopwatch.StartNew();
        Task[] callers = [.. Enumerable.Range(0, 20).Select(_ => source.ReadAsync(TestSources.File(entry), 0, destination, CancellationToken.None).AsTask()), TestSources.ListAsync(source)];
        foreach (Task caller in callers)
        {
            SourceException e = await Assert.ThrowsAsync<SourceException>(() => caller);
            Assert.Equal(SourceFault.Unavailable, e.Fault);
            Assert.Contains("did not answer within 2 s", e.Message);
        }
        // The machine may be slow, but a caller that waits for the server waits forever.
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(30), $"took {watch.Elapsed}");

        using CancellationTokenSource cancellation = new(TimeSpan.FromMilliseconds(50));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await source.ReadAsync(TestSources.File(entry), 0, destination, cancellation.Token));
        using CancellationTokenSource alsoListing = new(TimeSpan.FromMilliseconds(50));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => { await foreach (var _ in source.ListAsync(alsoListing.Token)) { } });

        server.Continue();
        Assert.Equal(content, await TestSources.ReadAsync(source, entry));
        Assert.True(destination.AsSpan().IndexOfAnyExcept((byte)0) < 0, "an answer that came too late was written to memory that its caller had back");
    }

    [Fact]
    public async Task A_server_that_comes_back_within_the_deadline_is_never_noticed()
    {
        await using GaneshaServer server = await GaneshaServer.StartAsync();
        File.WriteAllText(server.Export + "/f", "text");
        await using ISource source = SourceFactory.Open(server.Uri(3), new SourceOptions());
        SourceEntry entry = (await TestSources.ListAsync(source))["f"];
        await server.KillAsync();
        Task<byte[]>[] reads = [.. Enumerable.Range(0, 50).Select(_ => TestSources.ReadAsync(source, entry))];
        await server.RestartAsync();
        foreach (Task<byte[]> read in reads) Assert.Equal("text"u8.ToArray(), await read);
    }

    [Fact]
    public async Task A_server_that_is_gone_is_reported_with_what_was_tried()
    {
        await using GaneshaServer server = await GaneshaServer.StartAsync();
        string uri = server.Uri(4);
        await server.KillAsync();
        await using ISource source = SourceFactory.Open(uri, Impatient);
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => TestSources.ListAsync(source));
        Assert.Equal(SourceFault.Unavailable, e.Fault);
        Assert.Matches($"^nfs://127.0.0.1:{server.Port}/export\\?version=4 did not answer within 2 s: no connection to 127.0.0.1 port {server.Port} .*refused", e.Message);
    }

    [Fact]
    public async Task A_name_that_does_not_resolve_is_reported()
    {
        await using ISource source = SourceFactory.Open("nfs://no-such-host.invalid/x?version=4", Impatient);
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => TestSources.ListAsync(source));
        Assert.Equal(SourceFault.Unavailable, e.Fault);
        Assert.Contains("no-such-host.invalid", e.Message);
    }
}
