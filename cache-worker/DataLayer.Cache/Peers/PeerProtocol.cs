using System.Buffers.Binary;

namespace DataLayer.Cache;

/// <summary>
/// What workers and mounts say to each other over HTTP. An answer with units is a sequence of frames: a header of 16
/// bytes, four little-endian 32-bit numbers (kind, unit, length, CRC-32C of the payload), then the payload.
/// </summary>
internal static class PeerProtocol
{
    /// <summary>
    /// In every request and answer. A worker serves its own version and the one before; raise it when an older peer would
    /// misread what a newer one says.
    /// </summary>
    public const int Version = 1;
    public const int OldestServed = 1;

    public const string VersionHeader = "DL-Protocol";
    public const string WorkerHeader = "DL-Worker";

    /// <summary>Units in one request: what <see cref="ReadAhead"/> asks for, with room.</summary>
    public const int MaxUnits = 16;

    /// <summary>How often a worker that waits for its source says so, in milliseconds: several times within a client's patience.</summary>
    public const int WaitInterval = 500;
}

internal enum FrameKind : uint
{
    /// <summary>The bytes of one unit.</summary>
    Unit = 1,

    /// <summary>No payload: the worker is alive and waits for its source.</summary>
    Wait = 2,

    /// <summary>The units cannot be read: the unit field is a <see cref="Formats.SourceFault"/>, the payload says why in UTF-8. The last frame.</summary>
    Fault = 3,
}

internal readonly record struct FrameHeader(FrameKind Kind, uint Unit, int Length, uint Crc)
{
    public const int Size = 16;

    /// <summary>A fault's text.</summary>
    public const int MaxText = 1000;

    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(destination, (uint)Kind);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[4..], Unit);
        BinaryPrimitives.WriteInt32LittleEndian(destination[8..], Length);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[12..], Crc);
    }

    public static FrameHeader Read(ReadOnlySpan<byte> header) => new(
        (FrameKind)BinaryPrimitives.ReadUInt32LittleEndian(header), BinaryPrimitives.ReadUInt32LittleEndian(header[4..]),
        BinaryPrimitives.ReadInt32LittleEndian(header[8..]), BinaryPrimitives.ReadUInt32LittleEndian(header[12..]));
}
