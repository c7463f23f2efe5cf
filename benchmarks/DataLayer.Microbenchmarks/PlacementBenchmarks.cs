using System.Buffers.Binary;
using BenchmarkDotNet.Attributes;
using DataLayer.Cache;
using DataLayer.Formats;

namespace DataLayer.Microbenchmarks;

/// <summary>The homes of one block: what every miss on every node asks once.</summary>
[MemoryDiagnoser]
public class PlacementBenchmarks
{
    readonly BlockId[] _blocks = [.. Enumerable.Range(0, 4096).Select(i =>
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, i);
        return new BlockId(Digest.Of(bytes));
    })];

    PlacementMap _map = PlacementMap.Empty;
    int _next;

    [Params(100, 1000)]
    public int Workers { get; set; }

    [Params(1, 2)]
    public int Copies { get; set; }

    [GlobalSetup]
    public void Setup() => _map = new PlacementMap([.. Enumerable.Range(0, Workers).Select(i =>
        new WorkerNode($"node-{i}", $"zone-{i % 3}", "127.0.0.1:7300", (1L << 38) * (1 + i % 4), 1))], Copies);

    [Benchmark]
    public int GetHomes()
    {
        Span<int> homes = stackalloc int[2];
        return _map.GetHomes(_blocks[_next++ & 4095], homes) + homes[0];
    }
}
