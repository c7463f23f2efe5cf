using System.Runtime.InteropServices;

namespace DataLayer.Formats.Tabular.Parquet.Codecs;

/// <summary>Debian's libzstd (zstd.h, stable API). No package for it restores, and .NET 10 has no Zstandard of its own.</summary>
internal static unsafe class ZstdLibrary
{
    static readonly Lazy<Functions?> Loaded = new(Load);

    [ThreadStatic]
    static Context? context;

    public static bool Installed => Loaded.Value is not null;

    /// <summary>Decodes one or more frames that fill <paramref name="destination"/>; null, or what is wrong.</summary>
    public static string? Decompress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        Functions functions = Loaded.Value ?? throw new InvalidOperationException("libzstd is not loaded");
        context ??= new Context(functions);
        // Safety: both pointers are valid for the lengths passed with them while fixed; the library writes only there.
        fixed (byte* from = source)
        fixed (byte* to = destination)
        {
            nuint result = functions.Decompress(context.Handle, to, (nuint)destination.Length, from, (nuint)source.Length);
            if (functions.IsError(result) != 0) return Marshal.PtrToStringUTF8((nint)functions.ErrorName(result)) ?? "unknown error";
            return result == (nuint)destination.Length ? null : $"it holds {result} bytes";
        }
    }

    static Functions? Load() => NativeLibrary.TryLoad("libzstd.so.1", out nint library) ? new Functions(library) : null;

    sealed class Functions(nint library)
    {
        public readonly delegate* unmanaged<nint> Create = (delegate* unmanaged<nint>)NativeLibrary.GetExport(library, "ZSTD_createDCtx");
        public readonly delegate* unmanaged<nint, nuint> Free = (delegate* unmanaged<nint, nuint>)NativeLibrary.GetExport(library, "ZSTD_freeDCtx");

        public readonly delegate* unmanaged<nint, byte*, nuint, byte*, nuint, nuint> Decompress =
            (delegate* unmanaged<nint, byte*, nuint, byte*, nuint, nuint>)NativeLibrary.GetExport(library, "ZSTD_decompressDCtx");

        public readonly delegate* unmanaged<nuint, uint> IsError = (delegate* unmanaged<nuint, uint>)NativeLibrary.GetExport(library, "ZSTD_isError");
        public readonly delegate* unmanaged<nuint, byte*> ErrorName = (delegate* unmanaged<nuint, byte*>)NativeLibrary.GetExport(library, "ZSTD_getErrorName");
    }

    /// <summary>A decompression context per thread: creating one per page would cost more than small pages do.</summary>
    sealed class Context(Functions functions)
    {
        public nint Handle { get; } = functions.Create() is var handle and not 0 ? handle : throw new InsufficientMemoryException("ZSTD_createDCtx failed");

        ~Context() => functions.Free(Handle);
    }
}
