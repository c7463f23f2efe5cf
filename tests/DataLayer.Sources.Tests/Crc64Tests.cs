using System.Text;
using DataLayer.Sources.S3;

namespace DataLayer.Sources.Tests;

public sealed class Crc64Tests
{
    /// <summary>The check values of the CRC catalogue, of the digits 1 to 9.</summary>
    [Fact]
    public void The_catalogued_check_values_come_out()
    {
        byte[] digits = Encoding.ASCII.GetBytes("123456789");
        Assert.Equal(0xAE8B14860A799888, Crc64.Nvme.Compute(digits));
        Assert.Equal(0x995DC9BBDF1939FA, Crc64.Xz.Compute(digits));
    }

    [Fact]
    public void Carry_less_multiplication_and_tables_agree_for_every_length()
    {
        int seed = Random.Shared.Next();
        byte[] bytes = TestSources.Bytes(new Random(seed), 2048);
        for (int length = 0; length <= 700; length++)
        {
            ReadOnlySpan<byte> data = bytes.AsSpan(length % 61, length);
            Assert.True(Crc64.Nvme.ComputeByTable(data) == Crc64.Nvme.Compute(data), $"seed {seed}, length {length}");
            Assert.True(Crc64.Xz.ComputeByTable(data) == Crc64.Xz.Compute(data), $"seed {seed}, length {length}");
        }
    }
}
