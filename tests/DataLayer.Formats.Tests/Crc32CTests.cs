using System.Text;
using Xunit;

namespace DataLayer.Formats.Tests;

public sealed class Crc32CTests
{
    // The check value of the CRC-32/ISCSI catalogue entry, and two vectors of RFC 3720, appendix B.4.
    [Fact]
    public void Known_vectors_of_RFC_3720()
    {
        Assert.Equal(0xE3069283u, Crc32C.Compute(Encoding.ASCII.GetBytes("123456789")));
        Assert.Equal(0x8A9136AAu, Crc32C.Compute(new byte[32]));
        Assert.Equal(0x62A8AB43u, Crc32C.Compute(Enumerable.Repeat((byte)0xFF, 32).ToArray()));
    }

    [Fact]
    public void Appending_equals_computing_at_once()
    {
        byte[] data = new byte[1000];
        new Random(1).NextBytes(data);
        for (int cut = 0; cut <= data.Length; cut += 7)
            Assert.Equal(Crc32C.Compute(data), Crc32C.Compute(data.AsSpan(cut), Crc32C.Compute(data.AsSpan(0, cut))));
    }
}
