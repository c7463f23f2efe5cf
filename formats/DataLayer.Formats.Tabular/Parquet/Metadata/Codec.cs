namespace DataLayer.Formats.Tabular.Parquet;

/// <summary>The numbers are parquet.thrift's <c>CompressionCodec</c>.</summary>
public enum Codec
{
    Uncompressed = 0,
    Snappy = 1,
    Gzip = 2,
    Lzo = 3,
    Brotli = 4,

    /// <summary>LZ4 blocks in Hadoop's framing, or without any framing: writers disagree.</summary>
    Lz4 = 5,
    Zstd = 6,
    Lz4Raw = 7,
}

/// <summary>The numbers are parquet.thrift's <c>Encoding</c>.</summary>
internal enum PageEncoding
{
    Plain = 0,
    PlainDictionary = 2,
    Rle = 3,
    BitPacked = 4,
    DeltaBinaryPacked = 5,
    DeltaLengthByteArray = 6,
    DeltaByteArray = 7,
    RleDictionary = 8,
    ByteStreamSplit = 9,
    Alp = 10,
}
