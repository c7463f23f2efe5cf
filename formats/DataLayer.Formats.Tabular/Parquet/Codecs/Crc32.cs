using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace DataLayer.Formats.Tabular.Parquet.Codecs;

/// <summary>CRC-32 (IEEE 802.3, as in gzip), the checksum of pages, eight bytes per step from eight tables.</summary>
internal static class Crc32
{
    static readonly uint[] Tables = Build();

    public static uint Compute(ReadOnlySpan<byte> data)
    {
        uint crc = uint.MaxValue;
        // Safety: each index below is a byte plus a multiple of 256 up to 7 * 256, and the table holds 2048 entries.
        ref uint table = ref Tables[0];
        while (data.Length >= 8)
        {
            uint low = BinaryPrimitives.ReadUInt32LittleEndian(data) ^ crc;
            uint high = BinaryPrimitives.ReadUInt32LittleEndian(data[4..]);
            crc = Unsafe.Add(ref table, (int)(low & 0xFF) + 7 * 256)
                ^ Unsafe.Add(ref table, (int)((low >> 8) & 0xFF) + 6 * 256)
                ^ Unsafe.Add(ref table, (int)((low >> 16) & 0xFF) + 5 * 256)
                ^ Unsafe.Add(ref table, (int)(low >> 24) + 4 * 256)
                ^ Unsafe.Add(ref table, (int)(high & 0xFF) + 3 * 256)
                ^ Unsafe.Add(ref table, (int)((high >> 8) & 0xFF) + 2 * 256)
                ^ Unsafe.Add(ref table, (int)((high >> 16) & 0xFF) + 256)
                ^ Unsafe.Add(ref table, (int)(high >> 24));
            data = data[8..];
        }
        foreach (byte b in data) crc = Tables[(byte)(crc ^ b)] ^ (crc >> 8);
        return ~crc;
    }

    static uint[] Build()
    {
        var tables = new uint[8 * 256];
        for (uint i = 0; i < 256; i++)
        {
            uint crc = i;
            for (int bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320 : crc >> 1;
            tables[i] = crc;
        }
        for (int i = 256; i < tables.Length; i++) tables[i] = (tables[i - 256] >> 8) ^ tables[tables[i - 256] & 0xFF];
        return tables;
    }
}
