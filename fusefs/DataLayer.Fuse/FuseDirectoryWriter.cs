using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary>d_type of a directory entry (S_IFMT bits of st_mode, shifted right by 12).</summary>
public enum FuseEntryType : uint
{
    Unknown = 0,
    Directory = 4,
    Regular = 8,
    Symlink = 10,
}

/// <summary>
/// Packs the entries of a READDIR or READDIRPLUS answer into the request's payload. Made in the handler with the size the
/// kernel asked for, sent with <see cref="FuseRequest.ReplyDirectory"/>.
/// </summary>
public ref struct FuseDirectoryWriter
{
    readonly Span<byte> _room;

    /// <param name="size">The size the kernel asked for.</param>
    public FuseDirectoryWriter(FuseRequest request, int size) : this(request.TakePayload(size).Span) { }

    internal FuseDirectoryWriter(Span<byte> room) => _room = room;

    /// <summary>Bytes written.</summary>
    public int Length { get; private set; }

    /// <summary>Adds an entry of READDIR. False: it does not fit, answer with what is here.</summary>
    /// <param name="nextOffset">What the kernel passes to continue behind this entry; never 0, and 2^63-1 is the most that
    /// every caller's telldir can hold.</param>
    /// <param name="name">1 to 255 bytes (the kernel fails the whole listing with EIO for '/', or an empty name).</param>
    public bool TryAdd(scoped ReadOnlySpan<byte> name, ulong ino, FuseEntryType type, ulong nextOffset)
    {
        int length = Aligned(Unsafe.SizeOf<FuseDirEnt>() + name.Length);
        if (length > _room.Length - Length) return false;
        WriteDirEnt(_room.Slice(Length, length), name, ino, type, nextOffset);
        Length += length;
        return true;
    }

    /// <summary>
    /// Adds an entry of READDIRPLUS. With a node id it counts as one lookup of that node, once it is sent; with node id 0 the
    /// kernel takes only name, inode number and type (use that for "." and "..").
    /// </summary>
    public bool TryAddPlus(scoped ReadOnlySpan<byte> name, scoped in FuseEntryOut entry, ulong nextOffset)
    {
        int head = Unsafe.SizeOf<FuseEntryOut>();
        int length = Aligned(head + Unsafe.SizeOf<FuseDirEnt>() + name.Length);
        if (length > _room.Length - Length) return false;
        Span<byte> record = _room.Slice(Length, length);
        MemoryMarshal.Write(record, in entry);
        WriteDirEnt(record[head..], name, entry.Attr.Ino, (FuseEntryType)((entry.Attr.Mode >> 12) & 0xF), nextOffset);
        Length += length;
        return true;
    }

    static void WriteDirEnt(Span<byte> record, scoped ReadOnlySpan<byte> name, ulong ino, FuseEntryType type, ulong nextOffset)
    {
        FuseDirEnt entry = new() { Ino = ino, Off = nextOffset, NameLen = (uint)name.Length, Type = (uint)type };
        MemoryMarshal.Write(record, in entry);
        Span<byte> rest = record[Unsafe.SizeOf<FuseDirEnt>()..];
        name.CopyTo(rest);
        rest[name.Length..].Clear(); // The padding goes to the kernel: nothing of an earlier answer may leak there.
    }

    // FUSE_DIRENT_ALIGN: records start at multiples of 8.
    static int Aligned(int length) => (length + 7) & ~7;
}
