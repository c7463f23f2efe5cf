using System.Buffers.Binary;
using System.Numerics;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// The format of a sidecar, the file that says which units of a block file are present. All integers little-endian.
/// <code>
/// header, 128 bytes
///   0  8  "DLSUMS\r\n"
///   8  4  format, 1
///  12  4  kind: 1 pack, 2 large file
///  16 32  block file id
///  48  8  length of the block file, bytes
///  56  4  units
///  60 64  zero
/// 124  4  CRC-32C of the 124 bytes before
/// records, 16 bytes per unit
///   0  4  length of the unit, bytes
///   4  4  CRC-32C of its bytes
///   8  4  position: byte offset in a pack; unit ordinal in a large file
///  12  4  CRC-32C of the 12 bytes before, the unit's ordinal (4) and the first 8 bytes of the id
/// </code>
/// A record of zeros, a torn one or one that belongs elsewhere fails its check: the unit is absent.
/// </summary>
internal static class Sidecar
{
    public const int HeaderSize = 128;
    public const int RecordSize = 16;
    const int Format = 1;
    const int CrcOffset = HeaderSize - sizeof(uint);
    static ReadOnlySpan<byte> Magic => "DLSUMS\r\n"u8;

    public static long FileLength(int units) => HeaderSize + (long)units * RecordSize;

    public static long RecordOffset(int unit) => FileLength(unit);

    /// <param name="header">Exactly <see cref="HeaderSize"/> bytes.</param>
    public static void WriteHeader(Span<byte> header, in BlockSpec spec)
    {
        header.Clear();
        Magic.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header[8..], Format);
        BinaryPrimitives.WriteInt32LittleEndian(header[12..], spec.IsPack ? 1 : 2);
        spec.Id.Value.Write(header[16..]);
        BinaryPrimitives.WriteInt64LittleEndian(header[48..], spec.Length);
        BinaryPrimitives.WriteInt32LittleEndian(header[56..], spec.Units);
        BinaryPrimitives.WriteUInt32LittleEndian(header[CrcOffset..], Crc32C.Compute(header[..CrcOffset]));
    }

    /// <summary>False for anything but a whole header of this format that makes sense.</summary>
    public static bool TryReadHeader(ReadOnlySpan<byte> header, out BlockSpec spec)
    {
        spec = default;
        if (header.Length < HeaderSize || !header.StartsWith(Magic)) return false;
        if (BinaryPrimitives.ReadInt32LittleEndian(header[8..]) != Format) return false;
        if (BinaryPrimitives.ReadUInt32LittleEndian(header[CrcOffset..]) != Crc32C.Compute(header[..CrcOffset])) return false;
        int kind = BinaryPrimitives.ReadInt32LittleEndian(header[12..]);
        long length = BinaryPrimitives.ReadInt64LittleEndian(header[48..]);
        int units = BinaryPrimitives.ReadInt32LittleEndian(header[56..]);
        if (kind is not (1 or 2) || length < 0 || units < 0) return false;
        spec = new BlockSpec(new BlockFileId(Digest.Read(header[16..])), kind == 1, length, units);
        return true;
    }

    /// <param name="record">At least <see cref="RecordSize"/> bytes.</param>
    public static void WriteRecord(Span<byte> record, in BlockSpec spec, in Unit unit, uint crc)
    {
        ulong lengthAndCrc = (uint)unit.Length | (ulong)crc << 32;
        uint position = Position(spec, unit);
        BinaryPrimitives.WriteUInt64LittleEndian(record, lengthAndCrc);
        BinaryPrimitives.WriteUInt64LittleEndian(record[8..], position | (ulong)Check(spec.Id, unit.Index, lengthAndCrc, position) << 32);
    }

    /// <summary>The unit's CRC if the record says that exactly this unit is present.</summary>
    public static bool TryReadRecord(ulong lengthAndCrc, ulong positionAndCheck, in BlockSpec spec, in Unit unit, out uint crc)
    {
        crc = (uint)(lengthAndCrc >> 32);
        return (uint)lengthAndCrc == (uint)unit.Length
            && (uint)positionAndCheck == Position(spec, unit)
            && (uint)(positionAndCheck >> 32) == Check(spec.Id, unit.Index, lengthAndCrc, (uint)positionAndCheck);
    }

    /// <summary>The unit a record describes, for a reader that has no manifest; false when it is absent.</summary>
    public static bool TryReadRecord(ReadOnlySpan<byte> record, in BlockSpec spec, int index, out Unit unit, out uint crc)
    {
        ulong lengthAndCrc = BinaryPrimitives.ReadUInt64LittleEndian(record);
        ulong positionAndCheck = BinaryPrimitives.ReadUInt64LittleEndian(record[8..]);
        uint position = (uint)positionAndCheck;
        crc = (uint)(lengthAndCrc >> 32);
        unit = new Unit(index, spec.IsPack ? position : (long)position * FileLocation.LargeUnit, (int)(uint)lengthAndCrc);
        return (uint)(positionAndCheck >> 32) == Check(spec.Id, index, lengthAndCrc, position)
            && unit.Length >= 0 && unit.Start + unit.Length <= spec.Length;
    }

    static uint Position(in BlockSpec spec, in Unit unit) => spec.IsPack ? (uint)unit.Start : (uint)unit.Index;

    static uint Check(in BlockFileId id, int unit, ulong lengthAndCrc, uint position)
    {
        uint crc = BitOperations.Crc32C(uint.MaxValue, lengthAndCrc);
        crc = BitOperations.Crc32C(crc, position | (ulong)(uint)unit << 32);
        return ~BitOperations.Crc32C(crc, BinaryPrimitives.ReverseEndianness(id.Value.A));
    }
}
