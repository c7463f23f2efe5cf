using System.Text;
using DataLayer.Formats;
using DataLayer.Sources.S3;
using DataLayer.TestKit.S3;

namespace DataLayer.Sources.Tests;

/// <summary>What the tests of this project open and compare with.</summary>
internal static class TestSources
{
    public static S3Source Open(FaultyS3Server server, string prefix = "", SourceOptions? options = null) =>
        S3Source.Open(SourceUri.Parse($"s3://{server.Bucket}/{prefix}"), (options ?? new SourceOptions()) with { Endpoint = server.Endpoint },
            Variables(("AWS_ACCESS_KEY_ID", server.AccessKey), ("AWS_SECRET_ACCESS_KEY", server.SecretKey), ("AWS_SESSION_TOKEN", server.SessionToken)));

    public static Func<string, string?> Variables(params (string Name, string? Value)[] set) =>
        name => set.FirstOrDefault(v => v.Name == name).Value;

    public static async Task<Dictionary<string, SourceEntry>> ListAsync(ISource source)
    {
        Dictionary<string, SourceEntry> entries = [];
        await foreach (IReadOnlyList<SourceEntry> page in source.ListAsync(CancellationToken.None))
            foreach (SourceEntry entry in page)
                Assert.True(entries.TryAdd(Text(entry.Key), entry), $"'{Text(entry.Key)}' was listed twice");
        return entries;
    }

    /// <summary>One character per byte, so that names which are not UTF-8 stay apart.</summary>
    public static string Text(byte[] key) => Encoding.Latin1.GetString(key);

    public static string Text(string key) => Text(Encoding.UTF8.GetBytes(key));

    public static SourceFile File(SourceEntry entry) => new(entry.Key, entry.Size, entry.VersionTag);

    public static async Task<byte[]> ReadAsync(ISource source, SourceEntry entry) => await ReadAsync(source, entry, 0, (int)entry.Size);

    public static async Task<byte[]> ReadAsync(ISource source, SourceEntry entry, long offset, int length)
    {
        byte[] bytes = new byte[length];
        await source.ReadAsync(File(entry), offset, bytes, CancellationToken.None);
        return bytes;
    }

    public static byte[] Bytes(Random random, int length)
    {
        byte[] bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }
}
