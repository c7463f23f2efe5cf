using System.Runtime.InteropServices;

namespace DataLayer.Formats.Tabular.Text;

/// <summary>
/// Debian's libz (zlib.h, stable since 1.2.7.1; dpkg itself needs it, so it is on every Debian). .NET has its own zlib
/// inside, but its System.IO.Compression exports neither inflatePrime nor inflateSetDictionary, without which no
/// decompression can start in the middle of a file.
/// </summary>
internal sealed unsafe class ZlibLibrary
{
    public const int Ok = 0, StreamEnd = 1;

    /// <summary>The flush values of inflate.</summary>
    public const int NoFlush = 0, StopAtBlock = 5;

    /// <summary>Window bits of a gzip member, and of deflate data without a header.</summary>
    public const int GzipWindow = 15 + 16, RawWindow = -15;

    static readonly Lazy<ZlibLibrary?> Loaded = new(Load);

    public static ZlibLibrary? Instance => Loaded.Value;

    readonly delegate* unmanaged<byte*> version;
    readonly delegate* unmanaged<ZStream*, int, byte*, int, int> initialize;
    public readonly delegate* unmanaged<ZStream*, int, int> Inflate;
    public readonly delegate* unmanaged<ZStream*, int> End;
    public readonly delegate* unmanaged<ZStream*, int, int> Reset;
    public readonly delegate* unmanaged<ZStream*, byte*, uint, int> SetDictionary;
    public readonly delegate* unmanaged<ZStream*, byte*, uint*, int> GetDictionary;
    public readonly delegate* unmanaged<ZStream*, int, int, int> Prime;

    ZlibLibrary(nint library)
    {
        version = (delegate* unmanaged<byte*>)NativeLibrary.GetExport(library, "zlibVersion");
        initialize = (delegate* unmanaged<ZStream*, int, byte*, int, int>)NativeLibrary.GetExport(library, "inflateInit2_");
        Inflate = (delegate* unmanaged<ZStream*, int, int>)NativeLibrary.GetExport(library, "inflate");
        End = (delegate* unmanaged<ZStream*, int>)NativeLibrary.GetExport(library, "inflateEnd");
        Reset = (delegate* unmanaged<ZStream*, int, int>)NativeLibrary.GetExport(library, "inflateReset2");
        SetDictionary = (delegate* unmanaged<ZStream*, byte*, uint, int>)NativeLibrary.GetExport(library, "inflateSetDictionary");
        GetDictionary = (delegate* unmanaged<ZStream*, byte*, uint*, int>)NativeLibrary.GetExport(library, "inflateGetDictionary");
        Prime = (delegate* unmanaged<ZStream*, int, int, int>)NativeLibrary.GetExport(library, "inflatePrime");
    }

    /// <summary>inflateInit2 of a zeroed stream.</summary>
    public int Initialize(ZStream* stream, int windowBits) => initialize(stream, windowBits, version(), sizeof(ZStream));

    static ZlibLibrary? Load() => NativeLibrary.TryLoad("libz.so.1", out nint library) ? new ZlibLibrary(library) : null;
}

/// <summary>zlib.h's z_stream on a 64-bit system.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ZStream
{
    public byte* NextIn;
    public uint AvailableIn;
    public nuint TotalIn;
    public byte* NextOut;
    public uint AvailableOut;
    public nuint TotalOut;
    public byte* Message;
    public nint State;
    public nint Allocate;
    public nint Free;
    public nint Opaque;

    /// <summary>After inflate: unused bits of the last byte, +64 within the last block of a member, +128 at the end of a block or header.</summary>
    public int DataType;
    public nuint Adler;
    public nuint Reserved;
}
