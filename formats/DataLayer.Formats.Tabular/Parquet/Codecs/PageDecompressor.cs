using System.IO.Compression;

namespace DataLayer.Formats.Tabular.Parquet.Codecs;

/// <summary>Decompresses one page's bytes into a buffer of the size that its header announced.</summary>
internal static class PageDecompressor
{
    /// <summary>Fills <paramref name="destination"/> exactly, or throws.</summary>
    public static void Decompress(Codec codec, ReadOnlyMemory<byte> source, Span<byte> destination, FaultSite site)
    {
        switch (codec)
        {
            case Codec.Uncompressed:
                if (source.Length != destination.Length) throw site.Corrupt($"an uncompressed page holds {source.Length} bytes where {destination.Length} are announced");
                source.Span.CopyTo(destination);
                break;
            case Codec.Snappy:
                if (!SnappyBlock.TryDecompress(source.Span, destination)) throw Mismatch(codec, destination.Length, site);
                break;
            case Codec.Lz4Raw:
                if (!Lz4Block.TryDecompress(source.Span, destination)) throw Mismatch(codec, destination.Length, site);
                break;
            case Codec.Lz4:
                // Hadoop's writers frame the blocks, others do not, and nothing in the file tells which.
                if (!Lz4Block.TryDecompressHadoop(source.Span, destination) && !Lz4Block.TryDecompress(source.Span, destination))
                {
                    throw Mismatch(codec, destination.Length, site);
                }
                break;
            case Codec.Zstd:
                if (!ZstdLibrary.Installed)
                {
                    throw site.Fault(TabularFault.MissingLibrary, "the pages are compressed with zstd, and libzstd.so.1 is not installed (Debian: apt install libzstd1)");
                }
                if (ZstdLibrary.Decompress(source.Span, destination) is { } problem)
                {
                    throw site.Corrupt($"a zstd page does not decompress to {destination.Length} bytes: {problem}");
                }
                break;
            case Codec.Brotli:
                if (!BrotliDecoder.TryDecompress(source.Span, destination, out int written) || written != destination.Length)
                {
                    throw Mismatch(codec, destination.Length, site);
                }
                break;
            case Codec.Gzip:
                Gunzip(source, destination, site);
                break;
            default: throw Refusal(codec, site);
        }
    }

    /// <summary>The error for a codec that no reader here can decode, to be given before any page is fetched.</summary>
    public static TabularException Refusal(Codec codec, FaultSite site) => site.Unsupported(codec == Codec.Lzo
        ? "the column is compressed with LZO, which this reader does not support: rewrite the file with zstd or snappy"
        : $"compression codec {codec} is not supported");

    /// <summary>
    /// Whether <paramref name="compressed"/> bytes can possibly hold <paramref name="uncompressed"/>: asked before the
    /// buffer is rented. The ratios are the formats' own limits (Snappy: 64 bytes by a 3-byte copy; LZ4: 255 per length
    /// byte; deflate: 1032; zstd: 128 KiB by a 4-byte block); Brotli has none.
    /// </summary>
    public static bool IsPlausible(Codec codec, long compressed, long uncompressed) => codec switch
    {
        Codec.Uncompressed => compressed == uncompressed,
        Codec.Snappy => uncompressed <= compressed * 22,
        Codec.Lz4 or Codec.Lz4Raw => uncompressed <= compressed * 256,
        Codec.Gzip => uncompressed <= compressed * 1033,
        Codec.Zstd => uncompressed <= compressed * 40_000,
        _ => true,
    };

    /// <summary>GZipStream goes on over concatenated members, which some writers produce.</summary>
    static void Gunzip(ReadOnlyMemory<byte> source, Span<byte> destination, FaultSite site)
    {
        System.Runtime.InteropServices.MemoryMarshal.TryGetArray(source, out ArraySegment<byte> segment);
        using var stream = new MemoryStream(segment.Array!, segment.Offset, segment.Count, writable: false);
        using var gzip = new GZipStream(stream, CompressionMode.Decompress);
        int total = 0;
        try
        {
            while (total < destination.Length)
            {
                int read = gzip.Read(destination[total..]);
                if (read == 0) break;
                total += read;
            }
            Span<byte> excess = stackalloc byte[1];
            if (total != destination.Length || gzip.Read(excess) != 0) throw Mismatch(Codec.Gzip, destination.Length, site);
        }
        catch (InvalidDataException e)
        {
            throw site.Corrupt($"a gzip page does not decompress: {e.Message}");
        }
    }

    static TabularException Mismatch(Codec codec, int expected, FaultSite site) =>
        site.Corrupt($"a {codec} page does not decompress to the {expected} bytes that its header announces");
}
