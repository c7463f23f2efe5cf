using System.Buffers.Binary;
using DataLayer.Formats;
using Xunit;

namespace DataLayer.Cache.Tests;

public sealed class SidecarTests
{
    static readonly BlockFileId Id = new(Digest.Of("block"u8));
    static readonly BlockSpec Pack = new(Id, true, 1_000_000, 37);

    [Fact]
    public void Golden_header_of_format_1()
    {
        byte[] header = new byte[Sidecar.HeaderSize];
        Sidecar.WriteHeader(header, Pack);
        Assert.Equal(
            "444C53554D530D0A" + // "DLSUMS\r\n"
            "01000000" + // format 1
            "01000000" + // a pack
            "496ACA80E4D8F29FB8E8CD816C3AFB48D3F103970B3A2EE1600C08CA67326DEE" + // SHA-256 of "block"
            "40420F0000000000" + // 1,000,000 bytes
            "25000000" + // 37 units
            new string('0', 128),
            Convert.ToHexString(header.AsSpan(0, 124)));
        Assert.Equal(Crc32C.Compute(header.AsSpan(0, 124)), BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(124)));
        Assert.True(Sidecar.TryReadHeader(header, out BlockSpec read));
        Assert.Equal(Pack, read);
    }

    [Fact]
    public void Golden_record_of_format_1()
    {
        byte[] record = new byte[Sidecar.RecordSize];
        Sidecar.WriteRecord(record, Pack, new Unit(5, 0x12345, 4096), 0xCAFEF00D);
        byte[] checkedBytes = new byte[24];
        record.AsSpan(0, 12).CopyTo(checkedBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(checkedBytes.AsSpan(12), 5);
        Convert.FromHexString(Id.ToString()).AsSpan(0, 8).CopyTo(checkedBytes.AsSpan(16));
        Assert.Equal("00100000" + "0DF0FECA" + "45230100", Convert.ToHexString(record.AsSpan(0, 12)));
        Assert.Equal(Crc32C.Compute(checkedBytes), BinaryPrimitives.ReadUInt32LittleEndian(record.AsSpan(12)));
        Assert.True(Sidecar.TryReadRecord(record, Pack, 5, out Unit unit, out uint crc));
        Assert.Equal((new Unit(5, 0x12345, 4096), 0xCAFEF00Du), (unit, crc));
    }

    [Fact]
    public void Every_flipped_bit_and_every_torn_record_is_absent()
    {
        byte[] record = new byte[Sidecar.RecordSize];
        Unit unit = new(7, 4096, 12_345);
        Sidecar.WriteRecord(record, Pack, unit, 0x11223344);
        for (int bit = 0; bit < 128; bit++)
        {
            record[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(Read(record, unit), $"bit {bit}");
            record[bit / 8] ^= (byte)(1 << (bit % 8));
        }
        for (int kept = 0; kept < 16; kept++)
        {
            byte[] torn = new byte[16];
            record.AsSpan(0, kept).CopyTo(torn);
            Assert.False(Read(torn, unit), $"{kept} bytes written");
        }
        Assert.True(Read(record, unit));
        Assert.False(Read(record, unit with { Index = 8 }), "another unit's record");
        Assert.False(Read(record, unit with { Length = 12_344 }), "another length");
        Assert.False(Read(record, unit with { Start = 4097 }), "another position");
    }

    static bool Read(byte[] record, Unit unit) =>
        Sidecar.TryReadRecord(BinaryPrimitives.ReadUInt64LittleEndian(record), BinaryPrimitives.ReadUInt64LittleEndian(record.AsSpan(8)), Pack, unit, out _);

    [Fact]
    public void Any_damaged_header_is_refused()
    {
        byte[] header = new byte[Sidecar.HeaderSize];
        Sidecar.WriteHeader(header, Pack);
        for (int i = 0; i < header.Length; i++)
        {
            header[i] ^= 0x40;
            Assert.False(Sidecar.TryReadHeader(header, out _), $"byte {i}");
            header[i] ^= 0x40;
        }
        Assert.False(Sidecar.TryReadHeader(header.AsSpan(0, 127), out _));
    }
}
