using System.Net.Sockets;
using DataLayer.Formats;
using Xunit;

namespace DataLayer.Cache.Tests;

public sealed class ProtocolTests
{
    static readonly BlockSpec Spec = new(new BlockFileId(Digest.Of("a block"u8)), true, 100_000, 10);

    static async Task<Socket> ConnectAsync(CacheFolder folder, bool hello = true)
    {
        Socket socket = StoreSocket.Create();
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(new StorePaths(folder.Cache).Socket));
        if (hello) await socket.SendAsync(new MessageWriter(MessageKind.Hello).Add(Hello.Current).ToFrame());
        return socket;
    }

    /// <summary>Reads until the peer ends the connection; 10 s is a failure.</summary>
    static async Task<byte[]> ReadToEndAsync(Socket socket)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(10));
        List<byte> all = [];
        byte[] buffer = new byte[65536];
        try
        {
            for (int got; (got = await socket.ReceiveAsync(buffer, limit.Token)) > 0;) all.AddRange(buffer[..got]);
        }
        catch (SocketException) { } // Reset: the peer had more to read and did not want it.
        return [.. all];
    }

    static async Task<byte[]> ReadFrameAsync(Socket socket)
    {
        byte[] head = await ReadExactlyAsync(socket, 4);
        return await ReadExactlyAsync(socket, BitConverter.ToInt32(head));
    }

    static async Task<byte[]> ReadExactlyAsync(Socket socket, int count)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(10));
        byte[] bytes = new byte[count];
        for (int at = 0; at < count;)
        {
            int got = await socket.ReceiveAsync(bytes.AsMemory(at), limit.Token);
            if (got == 0) throw new EndOfStreamException();
            at += got;
        }
        return bytes;
    }

    [Fact]
    public void Golden_frames_of_version_1()
    {
        Assert.Equal("05000000" + "01" + "01000000", Convert.ToHexString(new MessageWriter(MessageKind.Hello).Add(Hello.Current).ToFrame()));
        Assert.Equal(
            "16000000" + "02" + "07000000" + "000000000000F03F" + "0700" + "64617461736574",
            Convert.ToHexString(new MessageWriter(MessageKind.Register).Add(7u).Add(1.0).Add("dataset").ToFrame()));
        Assert.Equal(
            "37000000" + "04" + "2A000000" + "07000000" + "01" + Spec.Id.ToString().ToUpperInvariant() + "01" + "A086010000000000" + "0A000000",
            Convert.ToHexString(new MessageWriter(MessageKind.Open).Add(42u).Add(7u).Add(true).Add(Spec).ToFrame()));
    }

    [Fact]
    public async Task The_owner_grants_a_block_file_and_takes_it_back_when_the_client_is_gone()
    {
        using CacheFolder folder = new();
        await using BlockStore owner = await folder.OpenAsync(capacity: 300_000);
        using (Socket client = await ConnectAsync(folder))
        {
            Assert.Equal((byte)MessageKind.Hello, (await ReadFrameAsync(client))[0]);
            await client.SendAsync(new MessageWriter(MessageKind.Register).Add(1u).Add(1.0).Add("set").ToFrame());
            await client.SendAsync(new MessageWriter(MessageKind.Open).Add(9u).Add(1u).Add(true).Add(Spec).ToFrame());
            byte[] opened = await ReadFrameAsync(client);
            Assert.Equal((byte)MessageKind.Opened, opened[0]);
            Assert.True(Granted(opened));
            Assert.Equal(Spec.AdmittedBytes, owner.Space.Used);
            await client.SendAsync(new MessageWriter(MessageKind.Pin).Add(Serial(opened)).Add(true).ToFrame());
            await client.SendAsync(new MessageWriter(MessageKind.AskSpace).ToFrame());
            Assert.Equal((byte)MessageKind.Space, (await ReadFrameAsync(client))[0]);
        }
        // Its dataset is idle now and its pin is gone: another dataset that needs the room gets it.
        FakeSnapshot snapshot = new(70, [250_000]);
        await using DatasetReader reader = new(owner, snapshot, [new FakeSource()], new DatasetOptions { Name = "other" });
        await Wait.Until(() => ((StoreAttachment)owner.Attachment).Clients == 0, "the client's end is seen");
        await DatasetReaderTests.ReadAsync(reader, snapshot.Files[0], 0, 250_000);
        await owner.Writer.FlushAsync(CancellationToken.None);
        Assert.Equal(250_000, reader.CachedBytes(snapshot.Files[0]));
        Assert.InRange(owner.Space.Used, 250_000, 300_000);
    }

    static bool Granted(ReadOnlySpan<byte> frame) => new MessageReader(frame[1..]).Opened().Grant != null;

    static ulong Serial(ReadOnlySpan<byte> frame) => new MessageReader(frame[1..]).Opened().Grant!.Value.Serial;

    [Fact]
    public async Task Another_version_gets_a_hello_and_the_door()
    {
        using CacheFolder folder = new();
        await using BlockStore owner = await folder.OpenAsync();
        using Socket client = await ConnectAsync(folder, hello: false);
        await client.SendAsync(new MessageWriter(MessageKind.Hello).Add(Hello.Current + 1).ToFrame());
        Assert.Equal(9, (await ReadToEndAsync(client)).Length);
    }

    [Fact]
    public async Task A_client_that_says_nothing_is_dropped()
    {
        using CacheFolder folder = new();
        await using BlockStore owner = await folder.OpenAsync();
        using Socket client = await ConnectAsync(folder, hello: false);
        Assert.Equal(9, (await ReadToEndAsync(client)).Length);
    }

    [Fact]
    public async Task Whatever_a_client_sends_the_owner_goes_on()
    {
        using CacheFolder folder = new();
        await using BlockStore owner = await folder.OpenAsync();
        int seed = Environment.TickCount;
        Random random = new(seed);
        for (int i = 0; i < 200; i++)
        {
            using Socket client = await ConnectAsync(folder);
            await client.SendAsync(new MessageWriter(MessageKind.Register).Add(1u).Add(1.0).Add("set").ToFrame());
            for (int message = 0; message < 5; message++)
            {
                MessageWriter frame = new((MessageKind)random.Next(random.Next(2) == 0 ? 12 : 256));
                byte[] junk = new byte[random.Next(random.Next(2) == 0 ? 20 : 200)];
                random.NextBytes(junk);
                if (random.Next(4) == 0) junk = [.. new MessageWriter(MessageKind.Open).Add(1u).Add(1u).Add(true).Add(Spec with { Length = random.NextInt64(long.MinValue, long.MaxValue), Units = random.Next(int.MinValue, int.MaxValue) }).ToFrame()[5..]];
                byte[] bytes = frame.Add(junk).ToFrame();
                if (random.Next(10) == 0) random.NextBytes(bytes.AsSpan(0, 4));
                try { await client.SendAsync(bytes); }
                catch (SocketException) { break; }
            }
        }
        FakeSnapshot snapshot = new(71, [.. Enumerable.Repeat(20_000, 20)]);
        await using BlockStore other = await folder.OpenAsync();
        Assert.True(other.Statistics.Attached && !other.Statistics.IsOwner);
        await using DatasetReader reader = new(other, snapshot, [new FakeSource()], new DatasetOptions { Name = "set" });
        foreach (FileLocation file in snapshot.Files)
            Assert.Equal(snapshot.Content(file, 0, 20_000), await DatasetReaderTests.ReadAsync(reader, file, 0, 20_000));
        await Wait.Until(() => snapshot.Files.All(f => reader.CachedBytes(f) == f.Length), $"cached (seed {seed})");
        Assert.True(owner.Statistics.Used < 1L << 30, $"seed {seed}");
    }

    [Fact]
    public async Task The_owner_asks_clients_which_blocks_their_snapshots_contain_before_it_evicts()
    {
        using CacheFolder folder = new();
        FakeSnapshot old = new(72, [.. Enumerable.Repeat(50_000, 40)], packTarget: 500_000), current = new(73, [.. Enumerable.Repeat(50_000, 40)], packTarget: 500_000), other = new(74, [.. Enumerable.Repeat(50_000, 40)], packTarget: 500_000);
        await using BlockStore owner = await folder.OpenAsync(capacity: old.TotalBytes * 23 / 10);
        await using BlockStore client = await folder.OpenAsync();
        FakeSource source = new();
        await using (DatasetReader reader = new(client, old, [source], new DatasetOptions { Name = "set" }))
            await reader.WarmAsync([.. old.Files.Select(f => f.Entry)], null, CancellationToken.None);
        await using DatasetReader currentReader = new(client, current, [source], new DatasetOptions { Name = "set" });
        await currentReader.WarmAsync([.. current.Files.Select(f => f.Entry)], null, CancellationToken.None);
        // What is being forced to disk is closed only after that, which a disk may take its time for.
        await Wait.Until(() => client.Statistics.SyncedBlockFiles == 8, "all packs are forced to disk");
        await using DatasetReader otherReader = new(owner, other, [source], new DatasetOptions { Name = "other" });
        await otherReader.WarmAsync([.. other.Files.Select(f => f.Entry)], null, CancellationToken.None);
        Assert.Equal(current.TotalBytes, current.Files.Sum(f => currentReader.CachedBytes(f)));
        Assert.Equal(other.TotalBytes, other.Files.Sum(f => otherReader.CachedBytes(f)));
    }

    [Fact]
    public async Task A_client_that_is_told_of_an_eviction_fetches_again_and_reads_right()
    {
        using CacheFolder folder = new();
        FakeSnapshot first = new(75, [.. Enumerable.Repeat(50_000, 40)], packTarget: 200_000), second = new(76, [.. Enumerable.Repeat(50_000, 40)], packTarget: 200_000);
        await using BlockStore owner = await folder.OpenAsync(capacity: first.TotalBytes * 11 / 10);
        await using BlockStore client = await folder.OpenAsync();
        FakeSource source = new();
        await using DatasetReader clientReader = new(client, first, [source], new DatasetOptions { Name = "first" });
        await clientReader.WarmAsync([.. first.Files.Select(f => f.Entry)], null, CancellationToken.None);
        await using DatasetReader ownerReader = new(owner, second, [source], new DatasetOptions { Name = "second" });
        for (int round = 0; round < 3; round++)
        {
            await Task.WhenAll(ReadAllAsync(ownerReader, second), ReadAllAsync(clientReader, first));
            Assert.InRange(owner.Space.Used, 0, owner.Space.Capacity);
        }
        Assert.True(owner.Statistics.Evictions > 0);
    }

    static Task ReadAllAsync(DatasetReader reader, FakeSnapshot snapshot) => Task.Run(async () =>
    {
        foreach (FileLocation file in snapshot.Files)
            Assert.Equal(snapshot.Content(file, 0, 50_000), await DatasetReaderTests.ReadAsync(reader, file, 0, 50_000));
    });
}
