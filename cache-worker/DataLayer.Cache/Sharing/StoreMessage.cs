using System.Buffers.Binary;
using System.Text;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// Messages between the process that owns a store and the others that use it. A frame is its length (4 bytes, what follows),
/// one byte of kind, then the fields in the order of the record; integers little-endian. The first frame each way is a
/// <see cref="Hello"/>; versions that differ end the connection.
/// </summary>
internal enum MessageKind : byte
{
    Hello = 1,
    Register = 2,
    Unregister = 3,
    Open = 4,
    Close = 5,
    Wrote = 6,
    Pin = 7,
    Discard = 8,
    Contained = 9,
    AskSpace = 10,
    AdmitStep = 11,
    Borrow = 12,

    Opened = 65,
    Evicted = 66,
    Contains = 67,
    Space = 68,
    Lent = 69,
}

/// <summary>Both ways, first.</summary>
internal readonly record struct Hello(uint Version)
{
    public const uint Current = 1;
}

/// <summary>Asks for a block file; answered, as an <see cref="AdmitStepMessage"/> is, by one <see cref="OpenedMessage"/> with the same request number.</summary>
internal readonly record struct OpenMessage(uint Request, uint Registration, bool Admit, BlockSpec Spec);

/// <summary>Asks for room for one step of an open large file.</summary>
internal readonly record struct AdmitStepMessage(uint Request, uint Registration, ulong Serial, int Step);

internal readonly record struct OpenedMessage(uint Request, BlockGrant? Grant, int DiskError, StoreSpace Space);

/// <summary>Asks which of these block files the registration's snapshot contains; answered by a byte each (0 or 1).</summary>
internal readonly record struct ContainsMessage(uint Request, uint Registration, BlockFileId[] Ids)
{
    /// <summary>Ids in one question: 32 KiB of frame.</summary>
    public const int MaxIds = 1024;
}

/// <summary>Reads the fields of one frame; a field beyond its end is an <see cref="InvalidDataException"/>.</summary>
internal ref struct MessageReader(ReadOnlySpan<byte> frame)
{
    ReadOnlySpan<byte> _rest = frame;

    ReadOnlySpan<byte> Take(int count)
    {
        if (count < 0 || count > _rest.Length) throw new InvalidDataException("a message ends early");
        ReadOnlySpan<byte> field = _rest[..count];
        _rest = _rest[count..];
        return field;
    }

    public readonly int Left => _rest.Length;
    public byte Byte() => Take(1)[0];
    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));
    public int Int32() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));
    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));
    public long Int64() => BinaryPrimitives.ReadInt64LittleEndian(Take(8));
    public double Double() => BinaryPrimitives.ReadDoubleLittleEndian(Take(8));
    public BlockFileId Id() => new(Digest.Read(Take(Digest.Size)));
    public BlockGrant Grant() => new(UInt64(), new DatasetTag(UInt64()));
    public string Text() => Encoding.UTF8.GetString(Take(UInt16()));
    ushort UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));
    public StoreSpace Space() => new(Int64(), Int64(), Int64(), Int64());

    public OpenMessage Open()
    {
        OpenMessage message = new(UInt32(), UInt32(), Byte() != 0, new BlockSpec(Id(), Byte() != 0, Int64(), Int32()));
        BlockSpec spec = message.Spec;
        // Whole range checks here: DiskBytes and file lengths are computed from these without further ones.
        bool sound = spec.Length >= 0 && spec.Units >= 0 && spec.Length <= long.MaxValue / 2
            && (spec.IsPack ? spec.Length <= BlockSpec.MaxPackLength : spec.Units == (spec.Length + FileLocation.LargeUnit - 1) / FileLocation.LargeUnit);
        return sound ? message : throw new InvalidDataException("a block file that cannot be");
    }

    public AdmitStepMessage AdmitStep() => new(UInt32(), UInt32(), UInt64(), Int32());

    public OpenedMessage Opened()
    {
        uint request = UInt32();
        bool granted = Byte() != 0;
        BlockGrant grant = Grant();
        return new OpenedMessage(request, granted ? grant : null, Int32(), Space());
    }

    public ContainsMessage Contains()
    {
        uint request = UInt32(), registration = UInt32();
        BlockFileId[] ids = new BlockFileId[_rest.Length / Digest.Size];
        for (int i = 0; i < ids.Length; i++) ids[i] = Id();
        return new ContainsMessage(request, registration, ids);
    }

    public ReadOnlySpan<byte> Rest() => Take(_rest.Length);
}

/// <summary>Builds one frame.</summary>
internal sealed class MessageWriter
{
    readonly MemoryStream _frame = new(64);

    public MessageWriter(MessageKind kind)
    {
        _frame.SetLength(4);
        _frame.Position = 4;
        _frame.WriteByte((byte)kind);
    }

    public MessageWriter Add(byte value)
    {
        _frame.WriteByte(value);
        return this;
    }

    public MessageWriter Add(bool value) => Add((byte)(value ? 1 : 0));

    public MessageWriter Add(ulong value, int bytes = 8)
    {
        for (int i = 0; i < bytes; i++) _frame.WriteByte((byte)(value >> (8 * i)));
        return this;
    }

    public MessageWriter Add(long value) => Add((ulong)value);
    public MessageWriter Add(uint value) => Add(value, 4);
    public MessageWriter Add(int value) => Add((uint)value, 4);
    public MessageWriter Add(double value) => Add(BitConverter.DoubleToUInt64Bits(value));
    public MessageWriter Add(BlockGrant grant) => Add(grant.Serial).Add(grant.Tag.Value);
    public MessageWriter Add(in StoreSpace space) => Add(space.Used).Add(space.Capacity).Add(space.BlockFiles).Add(space.Evictions);

    public MessageWriter Add(BlockFileId id)
    {
        Span<byte> bytes = stackalloc byte[Digest.Size];
        id.Value.Write(bytes);
        return Add(bytes);
    }

    public MessageWriter Add(ReadOnlySpan<byte> bytes)
    {
        _frame.Write(bytes);
        return this;
    }

    public MessageWriter Add(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        if (bytes.Length > ushort.MaxValue) throw new ArgumentException("a name above 64 KiB", nameof(text));
        return Add((ulong)bytes.Length, 2).Add(bytes);
    }

    public MessageWriter Add(in BlockSpec spec) => Add(spec.Id).Add(spec.IsPack).Add(spec.Length).Add(spec.Units);

    public byte[] ToFrame()
    {
        byte[] frame = _frame.ToArray();
        BinaryPrimitives.WriteInt32LittleEndian(frame, frame.Length - 4);
        return frame;
    }
}
