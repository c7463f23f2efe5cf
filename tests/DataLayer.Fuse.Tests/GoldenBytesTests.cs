using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Xunit;

namespace DataLayer.Fuse.Tests;

/// <summary>Layouts of include/uapi/linux/fuse.h, protocol 7.45, written out by hand.</summary>
public sealed class GoldenBytesTests
{
    [Fact]
    public void Sizes_are_those_of_the_kernel()
    {
        Assert.Equal(40, Unsafe.SizeOf<FuseInHeader>());
        Assert.Equal(16, Unsafe.SizeOf<FuseOutHeader>());
        Assert.Equal(88, Unsafe.SizeOf<FuseAttr>());
        Assert.Equal(104, Unsafe.SizeOf<FuseAttrOut>());
        Assert.Equal(128, Unsafe.SizeOf<FuseEntryOut>());
        Assert.Equal(256, Unsafe.SizeOf<FuseStatx>());
        Assert.Equal(288, Unsafe.SizeOf<FuseStatxOut>());
        Assert.Equal(24, Unsafe.SizeOf<FuseStatxIn>());
        Assert.Equal(16, Unsafe.SizeOf<FuseOpenOut>());
        Assert.Equal(8, Unsafe.SizeOf<FuseOpenIn>());
        Assert.Equal(24, Unsafe.SizeOf<FuseReleaseIn>());
        Assert.Equal(80, Unsafe.SizeOf<FuseKStatFs>());
        Assert.Equal(64, Unsafe.SizeOf<FuseInitIn>());
        Assert.Equal(64, Unsafe.SizeOf<FuseInitOut>());
        Assert.Equal(40, Unsafe.SizeOf<FuseReadIn>());
        Assert.Equal(24, Unsafe.SizeOf<FuseLSeekIn>());
        Assert.Equal(24, Unsafe.SizeOf<FuseDirEnt>());
        Assert.Equal(8, Unsafe.SizeOf<FuseForgetIn>());
        Assert.Equal(8, Unsafe.SizeOf<FuseBatchForgetIn>());
        Assert.Equal(16, Unsafe.SizeOf<FuseForgetOne>());
        Assert.Equal(8, Unsafe.SizeOf<FuseInterruptIn>());
        Assert.Equal(16, Unsafe.SizeOf<FuseGetAttrIn>());
        Assert.Equal(8, Unsafe.SizeOf<FuseAccessIn>());
        Assert.Equal(8, Unsafe.SizeOf<FuseGetXattrIn>());
        Assert.Equal(8, Unsafe.SizeOf<FuseGetXattrOut>());
        Assert.Equal(32, Unsafe.SizeOf<FuseIoctlIn>());
        Assert.Equal(16, Unsafe.SizeOf<FuseIoctlOut>());
        Assert.Equal(24, Unsafe.SizeOf<FuseNotifyInvalInodeOut>());
        Assert.Equal(16, Unsafe.SizeOf<FuseNotifyInvalEntryOut>());
        Assert.Equal(24, Unsafe.SizeOf<FuseNotifyDeleteOut>());
        Assert.Equal(24, Unsafe.SizeOf<FuseNotifyStoreOut>());
        Assert.Equal(16, Unsafe.SizeOf<FuseBackingMap>());
    }

    [Fact]
    public void An_entry_is_laid_out_field_by_field() => Check(
        new FuseEntryOut
        {
            NodeId = new(0x0101),
            Generation = 0x0202,
            EntryValid = 0x0303,
            AttrValid = 0x0404,
            EntryValidNsec = 0x0505,
            AttrValidNsec = 0x0606,
            Attr = new FuseAttr
            {
                Ino = 0x1111,
                Size = 0x1212,
                Blocks = 0x1313,
                ATime = 0x1414,
                MTime = 0x1515,
                CTime = 0x1616,
                ATimeNsec = 0x17,
                MTimeNsec = 0x18,
                CTimeNsec = 0x19,
                Mode = 0x81A4,
                NLink = 0x1B,
                Uid = 0x1C,
                Gid = 0x1D,
                RDev = 0x1E,
                BlkSize = 0x1000,
                Flags = 0x20,
            },
        },
        "0101000000000000" + // nodeid
        "0202000000000000" + // generation
        "0303000000000000" + // entry_valid
        "0404000000000000" + // attr_valid
        "05050000" + // entry_valid_nsec
        "06060000" + // attr_valid_nsec
        "1111000000000000" + // attr.ino
        "1212000000000000" + // attr.size
        "1313000000000000" + // attr.blocks
        "1414000000000000" + // attr.atime
        "1515000000000000" + // attr.mtime
        "1616000000000000" + // attr.ctime
        "17000000" + // attr.atimensec
        "18000000" + // attr.mtimensec
        "19000000" + // attr.ctimensec
        "A4810000" + // attr.mode: S_IFREG, 0644
        "1B000000" + // attr.nlink
        "1C000000" + // attr.uid
        "1D000000" + // attr.gid
        "1E000000" + // attr.rdev
        "00100000" + // attr.blksize
        "20000000"); // attr.flags

    [Fact]
    public void Attributes_have_their_timeout_in_front() => Check(
        new FuseAttrOut { AttrValid = 0x0102, AttrValidNsec = 3, Attr = new FuseAttr { Ino = 5 } },
        "0201000000000000" + // attr_valid
        "03000000" + // attr_valid_nsec
        "00000000" + // dummy
        "0500000000000000" + // attr.ino
        new string('0', 160)); // the rest of attr

    [Fact]
    public void Statx_is_laid_out_field_by_field()
    {
        FuseStatxOut statx = new() { AttrValid = 1, AttrValidNsec = 2, Flags = 3 };
        statx.Stat = new FuseStatx
        {
            Mask = 4,
            BlkSize = 5,
            Attributes = 6,
            NLink = 7,
            Uid = 8,
            Gid = 9,
            Mode = 0x0A,
            Ino = 0x0B,
            Size = 0x0C,
            Blocks = 0x0D,
            AttributesMask = 0x0E,
            ATime = new() { TvSec = 0x0F, TvNsec = 0x10 },
            BTime = new() { TvSec = 0x11, TvNsec = 0x12 },
            CTime = new() { TvSec = 0x13, TvNsec = 0x14 },
            MTime = new() { TvSec = 0x15, TvNsec = 0x16 },
            RDevMajor = 0x17,
            RDevMinor = 0x18,
            DevMajor = 0x19,
            DevMinor = 0x1A,
        };
        Check(statx,
            "0100000000000000" + // attr_valid
            "02000000" + // attr_valid_nsec
            "03000000" + // flags
            new string('0', 32) + // spare[2]
            "04000000" + // stat.mask
            "05000000" + // stat.blksize
            "0600000000000000" + // stat.attributes
            "07000000" + // stat.nlink
            "08000000" + // stat.uid
            "09000000" + // stat.gid
            "0A00" + // stat.mode
            "0000" + // stat.__spare0
            "0B00000000000000" + // stat.ino
            "0C00000000000000" + // stat.size
            "0D00000000000000" + // stat.blocks
            "0E00000000000000" + // stat.attributes_mask
            "0F000000000000001000000000000000" + // stat.atime
            "11000000000000001200000000000000" + // stat.btime
            "13000000000000001400000000000000" + // stat.ctime
            "15000000000000001600000000000000" + // stat.mtime
            "17000000" + // stat.rdev_major
            "18000000" + // stat.rdev_minor
            "19000000" + // stat.dev_major
            "1A000000" + // stat.dev_minor
            new string('0', 224)); // stat.__spare2[14]
    }

    [Fact]
    public void Statistics_of_the_filesystem_are_laid_out_field_by_field() => Check(
        new FuseKStatFs { Blocks = 1, BFree = 2, BAvail = 3, Files = 4, FFree = 5, BSize = 6, NameLen = 7, FrSize = 8 },
        "0100000000000000" + // blocks
        "0200000000000000" + // bfree
        "0300000000000000" + // bavail
        "0400000000000000" + // files
        "0500000000000000" + // ffree
        "06000000" + // bsize
        "07000000" + // namelen
        "08000000" + // frsize
        "00000000" + // padding
        new string('0', 48)); // spare[6]

    [Fact]
    public void The_answer_to_init_is_laid_out_field_by_field() => Check(
        new FuseInitOut
        {
            Major = 7,
            Minor = 45,
            MaxReadAhead = 0x20000,
            Flags = 0x11223344,
            MaxBackground = 64,
            CongestionThreshold = 48,
            MaxWrite = 4096,
            TimeGran = 1,
            MaxPages = 256,
            MapAlignment = 0,
            Flags2 = 0x55667788,
            MaxStackDepth = 1,
            RequestTimeout = 2,
        },
        "07000000" + // major
        "2D000000" + // minor
        "00000200" + // max_readahead
        "44332211" + // flags
        "4000" + // max_background
        "3000" + // congestion_threshold
        "00100000" + // max_write
        "01000000" + // time_gran
        "0001" + // max_pages
        "0000" + // map_alignment
        "88776655" + // flags2
        "01000000" + // max_stack_depth
        "0200" + // request_timeout
        new string('0', 44)); // unused[11]

    [Fact]
    public void An_open_file_has_handle_flags_and_backing_id() => Check(
        new FuseOpenOut { Handle = new(0x0102), OpenFlags = FuseOpenFlags.KeepCache | FuseOpenFlags.Passthrough, BackingId = 3 },
        "0201000000000000" + // fh
        "82000000" + // open_flags
        "03000000"); // backing_id

    [Fact]
    public void A_request_header_is_read_field_by_field()
    {
        FuseInHeader header = MemoryMarshal.Read<FuseInHeader>(Convert.FromHexString(
            "29000000" + // len
            "01000000" + // opcode
            "0200000000000080" + // unique, resent
            "0300000000000000" + // nodeid
            "04000000" + // uid
            "05000000" + // gid
            "06000000" + // pid
            "0700" + // total_extlen
            "0000")); // padding
        Assert.Equal((41u, 1u, 0x8000_0000_0000_0002, 3ul), (header.Len, header.Opcode, header.Unique, header.NodeId));
        Assert.Equal((4u, 5u, 6u, (ushort)7), (header.Uid, header.Gid, header.Pid, header.TotalExtLen));
    }

    [Fact]
    public void A_read_is_read_field_by_field()
    {
        FuseReadIn read = MemoryMarshal.Read<FuseReadIn>(Convert.FromHexString(
            "0100000000000000" + // fh
            "0200000000000000" + // offset
            "03000000" + // size
            "04000000" + // read_flags
            "0500000000000000" + // lock_owner
            "06000000" + // flags
            "00000000")); // padding
        Assert.Equal((1ul, 2ul, 3u, 4u, 5ul, 6u), (read.Fh, read.Offset, read.Size, read.ReadFlags, read.LockOwner, read.Flags));
    }

    [Fact]
    public void An_ioctl_is_read_field_by_field()
    {
        FuseIoctlIn ioctl = MemoryMarshal.Read<FuseIoctlIn>(Convert.FromHexString(
            "0100000000000000" + // fh
            "02000000" + // flags
            "03000000" + // cmd
            "0400000000000000" + // arg
            "05000000" + // in_size
            "06000000")); // out_size
        Assert.Equal((1ul, 2u, 3u, 4ul, 5u, 6u), (ioctl.Fh, ioctl.Flags, ioctl.Cmd, ioctl.Arg, ioctl.InSize, ioctl.OutSize));
    }

    [Fact]
    public void Notifications_are_laid_out_field_by_field()
    {
        Check(new FuseNotifyInvalInodeOut { Ino = new(1), Off = -1, Len = 3 },
            "0100000000000000" + // ino
            "FFFFFFFFFFFFFFFF" + // off
            "0300000000000000"); // len
        Check(new FuseNotifyInvalEntryOut { Parent = new(1), NameLen = 2, Flags = FuseNotifyInvalEntryOut.ExpireOnly },
            "0100000000000000" + // parent
            "02000000" + // namelen
            "01000000"); // flags
        Check(new FuseNotifyDeleteOut { Parent = new(1), Child = new(2), NameLen = 3 },
            "0100000000000000" + // parent
            "0200000000000000" + // child
            "03000000" + // namelen
            "00000000"); // padding
        Check(new FuseNotifyStoreOut { NodeId = new(1), Offset = 2, Size = 3 },
            "0100000000000000" + // nodeid
            "0200000000000000" + // offset
            "03000000" + // size
            "00000000"); // padding
    }

    [Fact]
    public void Directory_entries_are_padded_with_zeros_to_eight_bytes()
    {
        byte[] room = Enumerable.Repeat((byte)0xEE, 64).ToArray();
        FuseDirectoryWriter writer = new(room);
        Assert.True(writer.TryAdd("abc"u8, 0x11, FuseEntryType.Regular, 0x22));
        Assert.Equal(
            "1100000000000000" + // ino
            "2200000000000000" + // off
            "03000000" + // namelen
            "08000000" + // type: DT_REG
            "6162630000000000", // name, padding
            Convert.ToHexString(room.AsSpan(0, writer.Length)));
        Assert.True(writer.TryAdd("abcdefgh"u8, 1, FuseEntryType.Directory, 2));
        Assert.Equal(64, writer.Length);
        Assert.False(writer.TryAdd("a"u8, 1, FuseEntryType.Directory, 2));
        Assert.Equal(64, writer.Length);
    }

    [Fact]
    public void Directory_entries_with_attributes_take_inode_number_and_type_from_them()
    {
        byte[] room = Enumerable.Repeat((byte)0xEE, 160).ToArray();
        FuseDirectoryWriter writer = new(room);
        Assert.True(writer.TryAddPlus("l"u8, new FuseEntryOut { NodeId = new(9), Attr = new FuseAttr { Ino = 7, Mode = 0xA1FF } }, 3));
        Assert.Equal(160, writer.Length);
        Assert.Equal(9ul, MemoryMarshal.Read<ulong>(room));
        Assert.Equal(
            "0700000000000000" + // ino
            "0300000000000000" + // off
            "01000000" + // namelen
            "0A000000" + // type: DT_LNK
            "6C00000000000000", // name, padding
            Convert.ToHexString(room.AsSpan(128)));
    }

    static void Check<T>(T value, string hex) where T : unmanaged =>
        Assert.Equal(hex, Convert.ToHexString(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value))));
}
