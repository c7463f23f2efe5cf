using System.Buffers.Binary;
using DataLayer.Formats;
using DataLayer.TestKit.Nfs;

namespace DataLayer.Sources.Tests.Nfs;

/// <summary>Whatever a server says: the right bytes or a <see cref="SourceException"/>, in bounded time.</summary>
public sealed class NfsHostileServerTests
{
    const uint Nfs = 100003, Read = 6, ReadDirectory = 17;

    static readonly SourceOptions Options = new() { RequestTimeout = TimeSpan.FromSeconds(5), ReadDeadline = TimeSpan.FromSeconds(20) };

    /// <summary>Where answers are lost, and every loss costs the request timeout.</summary>
    static readonly SourceOptions Impatient = new() { RequestTimeout = TimeSpan.FromSeconds(0.1), ReadDeadline = TimeSpan.FromSeconds(0.4) };

    [Fact]
    public async Task Results_cut_off_anywhere_are_refused()
    {
        await using ScriptedNfsServer server = new();
        // 44 bytes of FSINFO's results are of no interest here.
        foreach ((uint program, uint procedure, int unread) in ((uint, uint, int)[])[(100005, 1, 0), (Nfs, 19, 44), (Nfs, ReadDirectory, 0), (Nfs, 5, 0), (Nfs, Read, 0)])
        {
            int whole = 0;
            for (int length = 0; length == 0 || length < whole; length += 4)
            {
                server.Alter = (p, q, results) =>
                {
                    if ((p, q) != (program, procedure)) return results;
                    if (whole == 0) whole = results.Length - unread;
                    return results[..Math.Min(length, results.Length)];
                };
                SourceException e = await Assert.ThrowsAsync<SourceException>(() => UseAsync(server));
                Assert.True(e.Fault == SourceFault.Unavailable && e.Message.Contains("makes no sense", StringComparison.Ordinal), e.Message);
            }
        }
    }

    [Theory]
    [InlineData(400)]
    public async Task Random_damage_never_does_worse_than_a_source_exception(int rounds)
    {
        await using ScriptedNfsServer server = new();
        int seed = Random.Shared.Next(), faults = 0;
        for (int round = 0; round < rounds; round++)
        {
            Random random = new(seed + round);
            int which = random.Next(8);
            server.Alter = (_, _, results) =>
            {
                if (which-- != 0 || results.Length < 4) return results;
                byte[] damaged = [.. results];
                int at = random.Next(damaged.Length / 4) * 4;
                switch (random.Next(4))
                {
                    case 0: BinaryPrimitives.WriteUInt32BigEndian(damaged.AsSpan(at), uint.MaxValue - (uint)random.Next(70_000)); break;
                    case 1: BinaryPrimitives.WriteUInt32BigEndian(damaged.AsSpan(at), 0x80000000 + (uint)random.Next(3)); break;
                    case 2: damaged[random.Next(damaged.Length)] ^= (byte)(1 << random.Next(8)); break;
                    default: random.NextBytes(damaged.AsSpan(at)); break;
                }
                return damaged;
            };
            try
            {
                await UseAsync(server);
            }
            catch (SourceException)
            {
                faults++;
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"Seed {seed + round}", e);
            }
        }
        Assert.True(faults > rounds / 10, $"only {faults} of {rounds} were noticed at all");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(100)]
    public async Task Replies_in_fragments_are_put_together(int size)
    {
        await using ScriptedNfsServer server = new();
        server.AlterRecord = record =>
        {
            XdrBuilder fragments = new();
            for (int at = 4; at < record.Length; at += size)
            {
                int length = Math.Min(size, record.Length - at);
                fragments.Int((uint)length | (at + length == record.Length ? 0x80000000 : 0)).Add(record[at..(at + length)]);
            }
            return fragments.ToArray();
        };
        Assert.Equal(server.Content, await UseAsync(server));
    }

    [Theory]
    [InlineData(0x80000000 + (2 << 20))]
    [InlineData(0xFFFFFFFF)]
    [InlineData(0x7FFFFFFF)]
    public async Task Records_longer_than_any_reply_break_the_connection(uint mark)
    {
        await using ScriptedNfsServer server = new();
        server.AlterRecord = record => [.. new XdrBuilder().Int(mark).ToArray(), .. record[4..]];
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => UseAsync(server, Impatient));
        Assert.Contains("the server sent what is no reply", e.Message);
    }

    [Fact]
    public async Task Fragments_without_end_break_the_connection()
    {
        await using ScriptedNfsServer server = new();
        byte[] endless = new byte[3 << 20];
        for (int at = 0; at + 1028 <= endless.Length; at += 1028) BinaryPrimitives.WriteUInt32BigEndian(endless.AsSpan(at), 1024);
        server.AlterRecord = _ => endless;
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => UseAsync(server, Impatient));
        Assert.Contains("the server sent what is no reply", e.Message);
    }

    /// <summary>Of a record: mark, transaction id, message type, reply status, verifier's flavor and length, accept status.</summary>
    static readonly int[] Fields = [0, 4, 8, 12, 16, 20, 24];

    [Theory]
    [InlineData(60)]
    public async Task Damaged_records_and_headers_break_the_connection_at_most(int rounds)
    {
        await using ScriptedNfsServer server = new();
        int seed = Random.Shared.Next();
        for (int round = 0; round < rounds; round++)
        {
            Random random = new(seed + round);
            int which = random.Next(6);
            server.AlterRecord = record =>
            {
                if (which-- != 0) return record;
                byte[] damaged = [.. record];
                if (random.Next(3) == 0) BinaryPrimitives.WriteUInt32BigEndian(damaged, (uint)random.Next());
                else random.NextBytes(damaged.AsSpan(Fields[random.Next(Fields.Length)], 4));
                return damaged;
            };
            try
            {
                await UseAsync(server, Impatient);
            }
            catch (SourceException)
            {
                // Expected of some: a record that is longer than what is sent, a call refused.
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"Seed {seed + round}", e);
            }
        }
        server.AlterRecord = record => record;
        Assert.Equal(server.Content, await UseAsync(server));
    }

    [Theory]
    [InlineData("a/b")]
    [InlineData("")]
    [InlineData("a\0b")]
    public async Task Names_that_no_directory_can_hold_are_refused(string name)
    {
        await using ScriptedNfsServer server = new();
        server.Alter = (p, q, results) => (p, q) != (Nfs, ReadDirectory) ? results
            : new XdrBuilder().Int(0).Int(0).Long(0).Int(1).Long(9).Opaque(System.Text.Encoding.ASCII.GetBytes(name)).Long(1).Int(0).Int(0).Int(0).Int(1).ToArray();
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => UseAsync(server));
        Assert.Contains("makes no sense", e.Message);
    }

    [Fact]
    public async Task A_directory_that_never_ends_is_refused()
    {
        await using ScriptedNfsServer server = new();
        server.Alter = (p, q, results) => (p, q) != (Nfs, ReadDirectory) ? results : [.. results[..^4], 0, 0, 0, 0];
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => UseAsync(server));
        Assert.Contains("again and again", e.Message);
    }

    [Fact]
    public async Task Attributes_and_handles_that_a_server_leaves_out_are_asked_for()
    {
        await using ScriptedNfsServer server = new();
        server.Alter = (p, q, results) => (p, q) switch
        {
            (Nfs, ReadDirectory) => new XdrBuilder().Int(0).Int(0).Long(0)
                .Int(1).Long(2).Opaque("f"u8).Long(1).Int(0).Int(0)
                .Int(1).Long(3).Opaque("l"u8).Long(2).Int(0).Int(0).Int(0).Int(1).ToArray(),
            (Nfs, 3) => results.Length < 20 ? results : [.. results[..12], 0, 0, 0, 0, 0, 0, 0, 0],
            (Nfs, Read) => [0, 0, 0, 0, 0, 0, 0, 0, .. results[92..]],
            (Nfs, 19) => [0, 0, 0, 0, 0, 0, 0, 0, .. results[92..]],
            _ => results,
        };
        Assert.Equal(server.Content, await UseAsync(server));
    }

    [Fact]
    public async Task More_bytes_than_asked_for_are_refused_and_fewer_are_asked_for_again()
    {
        await using ScriptedNfsServer server = new();
        server.Alter = (p, q, results) => (p, q) != (Nfs, Read) ? results
            : new XdrBuilder().Add(results[..92]).Int(2000).Int(1).Opaque(new byte[2000]).ToArray();
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => UseAsync(server));
        Assert.Contains("at most 1000 belong", e.Message);

        int offset = 0;
        server.Alter = (p, q, results) =>
        {
            if ((p, q) != (Nfs, Read)) return results;
            int count = Math.Min(300, server.Content.Length - offset);
            byte[] part = new XdrBuilder().Add(results[..92]).Int((uint)count).Int(0).Opaque(server.Content.AsSpan(offset, count)).ToArray();
            offset += count;
            return part;
        };
        Assert.Equal(server.Content, await UseAsync(server));

        server.Alter = (p, q, results) => (p, q) != (Nfs, Read) ? results : new XdrBuilder().Add(results[..92]).Int(0).Int(1).Int(0).ToArray();
        e = await Assert.ThrowsAsync<SourceException>(() => UseAsync(server));
        Assert.Contains("gives no bytes at offset 0", e.Message);
    }

    [Fact]
    public async Task A_server_that_asks_for_patience_gets_it_and_one_with_a_bad_disk_three_attempts()
    {
        await using ScriptedNfsServer server = new();
        int busy = 3;
        server.Alter = (p, q, results) => (p, q) == (Nfs, Read) && busy-- > 0 ? [0, 0, 0x27, 0x18, 0, 0, 0, 0] : results;
        Assert.Equal(server.Content, await UseAsync(server));
        Assert.True(busy < 0);

        int attempts = 0;
        server.Alter = (p, q, results) =>
        {
            if ((p, q) != (Nfs, Read)) return results;
            attempts++;
            return [0, 0, 0, 5, 0, 0, 0, 0];
        };
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => UseAsync(server));
        Assert.Equal((SourceFault.Unavailable, 3), (e.Fault, attempts));
    }

    /// <summary>Lists, and reads the file when it is listed as it is.</summary>
    static async Task<byte[]?> UseAsync(ScriptedNfsServer server, SourceOptions? options = null)
    {
        await using ISource source = SourceFactory.Open(server.Uri, options ?? Options);
        SourceEntry file = default;
        await foreach (IReadOnlyList<SourceEntry> page in source.ListAsync(CancellationToken.None))
            foreach (SourceEntry entry in page)
                if (entry.Key is [(byte)'f']) file = entry;
        if (file.Key is null || file.Kind != EntryKind.File || file.Size != server.Content.Length) return null;
        byte[] bytes = new byte[file.Size];
        await source.ReadAsync(TestSources.File(file), 0, bytes, CancellationToken.None);
        return bytes;
    }
}
