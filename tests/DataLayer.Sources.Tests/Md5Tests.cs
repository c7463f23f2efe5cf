using System.Buffers.Binary;
using System.Security.Cryptography;
using DataLayer.Sources.S3;

namespace DataLayer.Sources.Tests;

public sealed class Md5Tests
{
    sealed class Expecting(byte[] body) : Md5Job(body)
    {
        public bool? Right { get; private set; }

        public override void Finish(ReadOnlySpan<byte> md5) => Right = md5.SequenceEqual(MD5.HashData(Body.Span));
    }

    [Fact]
    public void Lanes_agree_with_the_library_for_every_length_and_mixture()
    {
        // Elsewhere the library hashes every body.
        if (!Md5Lanes.IsSupported) return;
        int seed = Random.Shared.Next();
        Random random = new(seed);
        List<Expecting> jobs = [.. Enumerable.Range(0, 300).Select(length => new Expecting(TestSources.Bytes(random, length)))];
        for (int i = 0; i < 200; i++) jobs.Add(new Expecting(TestSources.Bytes(random, random.Next(random.Next(2) == 0 ? 200_000 : 200))));
        Queue<Expecting> queue = new(jobs.OrderBy(_ => random.Next()));
        Md5Lanes.Run(() => queue.TryDequeue(out Expecting? job) ? job : null);
        Assert.All(jobs, job => Assert.True(job.Right == true, $"seed {seed}, length {job.Body.Length}"));
    }

    [Fact]
    public async Task A_crowd_gets_each_its_own_hash()
    {
        int seed = Random.Shared.Next();
        Md5Queue queue = new();
        await Parallel.ForEachAsync(Enumerable.Range(0, 2000), new ParallelOptions { MaxDegreeOfParallelism = 64 }, async (i, _) =>
        {
            await Task.Yield();
            byte[] body = TestSources.Bytes(new Random(seed + i), i % 100 == 0 ? (1 << 20) + i : i * 7 % 50_000);
            UInt128 md5 = await queue.HashAsync(body);
            Assert.True(BinaryPrimitives.ReadUInt128BigEndian(MD5.HashData(body)) == md5, $"seed {seed}, {i}");
        });
    }
}
