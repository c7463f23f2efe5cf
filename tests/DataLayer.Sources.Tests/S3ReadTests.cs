using DataLayer.Formats;
using DataLayer.TestKit.S3;

namespace DataLayer.Sources.Tests;

public sealed class S3ReadTests
{
    [Fact]
    public async Task Objects_read_whole_and_in_ranges_equal_what_was_put()
    {
        int seed = Random.Shared.Next();
        Random random = new(seed);
        await using FaultyS3Server server = new();
        Dictionary<string, byte[]> model = [];
        foreach (int size in (int[])[0, 1, 2, 4095, 4096, 65_537, 1 << 20])
        {
            string key = $"dir {size}/ü+%&=?#;~'\"<>\u0001/file\n{size}";
            model[TestSources.Text(key)] = TestSources.Bytes(random, size);
            server.Put("data/" + key, model[TestSources.Text(key)]);
        }
        await using ISource source = TestSources.Open(server, "data");
        Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(source);

        Assert.Equal(model.Keys.Order(), entries.Keys.Order());
        foreach ((string key, byte[] body) in model)
        {
            Assert.Equal(body, await TestSources.ReadAsync(source, entries[key]));
            for (int i = 0; i < 5 && body.Length > 0; i++)
            {
                int offset = random.Next(body.Length), length = random.Next(1, body.Length - offset + 1);
                byte[] read = await TestSources.ReadAsync(source, entries[key], offset, length);
                Assert.True(body.AsSpan(offset, length).SequenceEqual(read), $"seed {seed}, {key}, {offset}+{length}");
            }
        }
        Assert.Equal(0, server.Counts.Head);
        Assert.Equal(0, server.Counts.Refused);
    }
}
