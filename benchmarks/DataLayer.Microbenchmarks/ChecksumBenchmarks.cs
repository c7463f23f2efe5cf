using BenchmarkDotNet.Attributes;
using DataLayer.Formats;

namespace DataLayer.Microbenchmarks;

/// <summary>CRC-32C over what the block store checks at once: a small file, a typical one, a slice's megabyte.</summary>
[MemoryDiagnoser]
public class ChecksumBenchmarks
{
    private byte[] _data = [];

    [Params(4 << 10, 112 << 10, 1 << 20)]
    public int Bytes { get; set; }

    [GlobalSetup]
    public void Fill()
    {
        _data = new byte[Bytes];
        new Random(1).NextBytes(_data);
    }

    [Benchmark]
    public uint Crc32CHardware() => Crc32C.Compute(_data);
}
