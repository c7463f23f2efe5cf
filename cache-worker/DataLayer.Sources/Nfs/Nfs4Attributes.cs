namespace DataLayer.Sources.Nfs;

/// <summary>A file's attributes as version 4 packs them: a bitmap, then the values in the order of their numbers (RFC 7530, section 5).</summary>
/// <param name="Common">Null unless the server gave type, size, file id and both times.</param>
/// <param name="Error">Of one directory entry, when the server could not tell about it.</param>
/// <param name="MaxRead">0: not given.</param>
internal readonly record struct Nfs4Attributes(NfsAttributes? Common, NfsStatus Error, byte[]? Handle, long MaxRead)
{
    const int Type = 1, Size = 4, EntryError = 11, FileHandle = 19, FileId = 20, ReadLimit = 30, Mode = 33, Owner = 36, OwnerGroup = 37, Ctime = 52, Mtime = 53;

    const ulong Identity = (1UL << Type) | (1UL << Size) | (1UL << FileId) | (1UL << Ctime) | (1UL << Mtime);

    public const ulong OfFile = Identity | (1UL << Mode) | (1UL << Owner) | (1UL << OwnerGroup);

    /// <summary>With the error among them, one entry that cannot be looked at does not fail the whole page.</summary>
    public const ulong OfEntry = OfFile | (1UL << EntryError) | (1UL << FileHandle);

    public const ulong OfServer = OfFile | (1UL << ReadLimit);

    const int OwnerLimit = 1024;

    public static void WriteBitmap(ref XdrWriter writer, ulong attributes)
    {
        writer.WriteUInt32(2);
        writer.WriteUInt32((uint)attributes);
        writer.WriteUInt32((uint)(attributes >> 32));
    }

    /// <param name="limit">Bytes of all values together.</param>
    public static Nfs4Attributes Read(ref XdrReader reader, int limit, NfsOwners owners)
    {
        uint words = reader.ReadUInt32();
        if (words > 8) throw new XdrException($"an attribute bitmap of {words} words");
        ulong given = 0;
        for (int i = 0; i < words; i++)
        {
            uint word = reader.ReadUInt32();
            if (i < 2) given |= (ulong)word << (32 * i);
            else if (word != 0) throw new XdrException("attributes that were not asked for");
        }
        if ((given & ~(OfEntry | OfServer)) != 0) throw new XdrException("attributes that were not asked for");

        XdrReader values = new(reader.ReadOpaque(limit));
        NfsAttributes common = new() { Mode = -1, Uid = -1, Gid = -1 };
        NfsStatus error = NfsStatus.Ok;
        byte[]? handle = null;
        long maxRead = 0;
        for (ulong left = given; left != 0; left &= left - 1)
        {
            switch (System.Numerics.BitOperations.TrailingZeroCount(left))
            {
                case Type: common = common with { Type = (NfsType)values.ReadUInt32() }; break;
                case Size: common = common with { Size = NfsAttributes.ClampSize(values.ReadUInt64()) }; break;
                case EntryError: error = (NfsStatus)values.ReadUInt32(); break;
                case FileHandle: handle = values.ReadOpaque(Nfs4.HandleLimit).ToArray(); break;
                case FileId: common = common with { FileId = values.ReadUInt64() }; break;
                case ReadLimit: maxRead = NfsAttributes.ClampSize(values.ReadUInt64()); break;
                case Mode: common = common with { Mode = (int)(values.ReadUInt32() & 0xFFF) }; break;
                case Owner: common = common with { Uid = owners.User(values.ReadOpaque(OwnerLimit)) }; break;
                case OwnerGroup: common = common with { Gid = owners.Group(values.ReadOpaque(OwnerLimit)) }; break;
                case Ctime: common = common with { CtimeNs = NfsAttributes.Nanoseconds(values.ReadInt64(), values.ReadUInt32()) }; break;
                case Mtime: common = common with { MtimeNs = NfsAttributes.Nanoseconds(values.ReadInt64(), values.ReadUInt32()) }; break;
            }
        }
        return new Nfs4Attributes((given & Identity) == Identity ? common : null, error, handle, maxRead);
    }
}
