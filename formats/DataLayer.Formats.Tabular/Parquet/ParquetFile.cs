using System.Buffers.Binary;

namespace DataLayer.Formats.Tabular.Parquet;

/// <summary>
/// A Parquet file, opened by its footer; pages are fetched by the readers of its row groups. Immutable, so that row
/// groups may be read on several threads. Every fault of the file's content is a <see cref="TabularException"/>.
/// </summary>
public sealed class ParquetFile
{
    // Most footers fit: one request then opens the file.
    const int TailSize = 64 << 10;

    readonly IRandomAccess file;
    readonly ParquetReadOptions options;
    readonly long dataEnd;

    ParquetFile(IRandomAccess file, FileMetadata metadata, long dataEnd, ParquetReadOptions options)
    {
        this.file = file;
        this.dataEnd = dataEnd;
        this.options = options;
        Metadata = metadata;
    }

    public FileMetadata Metadata { get; }

    public string Name => file.Name;

    /// <summary>Reads and checks the footer.</summary>
    public static async ValueTask<ParquetFile> OpenAsync(IRandomAccess file, ParquetReadOptions? options = null, CancellationToken cancel = default)
    {
        options ??= new ParquetReadOptions();
        options.Validate();
        var site = new FaultSite(file.Name, null);
        if (file.Length < 12) throw site.Corrupt($"the file of {file.Length} bytes is too short for Parquet");
        var tail = new byte[(int)Math.Min(TailSize, file.Length)];
        await file.ReadAsync(file.Length - tail.Length, tail, cancel);
        site.Offset = file.Length - 8;
        ReadOnlySpan<byte> magic = tail.AsSpan(tail.Length - 4);
        if (magic.SequenceEqual("PARE"u8)) throw site.Fault(TabularFault.Encrypted, "the footer is encrypted, and this reader holds no keys");
        if (!magic.SequenceEqual("PAR1"u8)) throw site.Corrupt("the file does not end with PAR1: it is cut off or no Parquet file");
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(tail.AsSpan(tail.Length - 8));
        if (length > file.Length - 12) throw site.Corrupt($"a footer of {length} bytes in a file of {file.Length}");
        long start = file.Length - 8 - length;
        site.Offset = start;
        ReadOnlyMemory<byte> footer;
        if (length <= tail.Length - 8)
        {
            footer = tail.AsMemory(tail.Length - 8 - (int)length, (int)length);
        }
        else
        {
            if (!new MemoryBudget(options.MemoryLimit).Allows(length))
            {
                throw site.Fault(TabularFault.MemoryLimit, $"the footer of {length} bytes is above the limit of {options.MemoryLimit}: raise MemoryLimit to read this file");
            }
            var whole = new byte[length];
            await file.ReadAsync(start, whole, cancel);
            footer = whole;
        }
        return new ParquetFile(file, new FooterReader(footer, start, site).Read(), start, options);
    }

    /// <summary>
    /// The fields to read: those named, in that order, or all of the file's. A name that the file does not have is an
    /// <see cref="ArgumentException"/>.
    /// </summary>
    public RowSchema Project(IReadOnlyList<string>? columns = null)
    {
        IReadOnlyList<SchemaNode> all = Metadata.Root.Children;
        if (columns is null) return new RowSchema(all);
        return new RowSchema(columns.Select(name => all.FirstOrDefault(node => node.Name == name)
            ?? throw new ArgumentException($"{Name} has no column {name}; it has {string.Join(", ", all.Select(node => node.Name))}", nameof(columns))));
    }

    /// <summary>A reader of one row group's rows, from the first on.</summary>
    public RowGroupReader OpenRowGroup(int index, RowSchema schema) => new(file, Metadata.RowGroups[index], schema, dataEnd, options);

    /// <summary>Where a column chunk's pages are, or null when the writer did not say.</summary>
    public async ValueTask<IReadOnlyList<PageLocation>?> ReadOffsetIndexAsync(ColumnChunk chunk, CancellationToken cancel = default)
    {
        if (chunk.OffsetIndex is not { } range || chunk.Encrypted) return null;
        return PageIndexReader.ReadOffsetIndex(await ReadRangeAsync(range, cancel), Site(chunk, range.Offset));
    }

    /// <summary>Bounds and null counts of a column chunk's pages, or null when the writer did not give them.</summary>
    public async ValueTask<ColumnIndex?> ReadColumnIndexAsync(ColumnChunk chunk, CancellationToken cancel = default)
    {
        if (chunk.ColumnIndex is not { } range || chunk.Encrypted) return null;
        return PageIndexReader.ReadColumnIndex(await ReadRangeAsync(range, cancel), Site(chunk, range.Offset));
    }

    async ValueTask<byte[]> ReadRangeAsync(FileRange range, CancellationToken cancel)
    {
        if (range.Length > options.MemoryLimit)
        {
            throw new TabularException(TabularFault.MemoryLimit, Name, range.Offset, null, $"a page index of {range.Length} bytes is above the limit of {options.MemoryLimit}");
        }
        var bytes = new byte[range.Length];
        await file.ReadAsync(range.Offset, bytes, cancel);
        return bytes;
    }

    FaultSite Site(ColumnChunk chunk, long offset) => new(Name, chunk.Column.Path) { Offset = offset };
}
