using DataLayer.Formats.Tabular.Parquet.Codecs;
using DataLayer.Formats.Tabular.Parquet.Encodings;
using DataLayer.Formats.Tabular.Parquet.Thrift;

namespace DataLayer.Formats.Tabular.Parquet;

/// <summary>Decodes one column chunk, page after page, into a vector that is refilled for every batch.</summary>
internal sealed class ColumnChunkReader : IDisposable
{
    // Enough for any header without long bounds of byte arrays; longer ones are read again with more.
    const int UsualHeader = 4 << 10;

    // No writer puts more than two bounds of a value each into a page header; 16 MiB is beyond what they cut them to.
    const int LongestHeader = 16 << 20;

    // Levels of a nested column are decoded ahead in steps, since only the next row's start tells where a row ends.
    const int NestedStep = 1024;

    readonly ColumnChunk chunk;
    readonly MemoryBudget budget;
    readonly FaultSite site;
    readonly ChunkWindow window;
    readonly bool verifyChecksums;
    readonly ValueDecoder?[] decoders = new ValueDecoder?[(int)PageEncoding.Alp + 1];
    readonly SchemaNode leaf;
    ColumnVector? dictionary;
    ValueDecoder? values;
    LevelDecoder repetitions;
    LevelDecoder definitions;
    long position;
    long valuesLeft;
    int pageLeft;
    int pageSlot;
    bool started;

    public ColumnChunkReader(ColumnChunk chunk, ChunkWindow window, MemoryBudget budget, bool verifyChecksums, FaultSite site)
    {
        this.chunk = chunk;
        this.window = window;
        this.budget = budget;
        this.site = site;
        this.verifyChecksums = verifyChecksums;
        leaf = chunk.Column;
        position = chunk.Offset;
        valuesLeft = chunk.ValueCount;
        site.Offset = position;
        Vector = new ColumnVector(leaf, budget, site);
    }

    public ColumnVector Vector { get; }

    public bool IsNested => leaf.RepetitionLevel > 0;

    /// <summary>Rows that can be decoded from the current page; of columns that are not nested.</summary>
    public int PageRows => pageLeft;

    public void StartBatch()
    {
        pageSlot = Vector.StartBatch(pageSlot);
        if (values is not null) values.Slot = pageSlot;
    }

    /// <summary>Makes <see cref="PageRows"/> positive, or throws when the chunk has no further value.</summary>
    public async ValueTask EnsurePageAsync(CancellationToken cancel)
    {
        while (pageLeft == 0)
        {
            if (valuesLeft == 0) throw site.Corrupt("the column ends before the row group's last row");
            await NextPageAsync(0, cancel);
        }
    }

    /// <summary>Appends rows of the current page.</summary>
    public void DecodeRows(int rows)
    {
        Decode(rows);
        Vector.BatchLevels = Vector.LevelCount;
        Vector.BatchValues = Vector.ValueCount;
    }

    /// <summary>Makes the batch hold exactly <paramref name="rows"/> rows of a nested column, whatever pages they are on.</summary>
    public async ValueTask ReadNestedAsync(int rows, CancellationToken cancel)
    {
        int scanned = 0, seen = 0;
        while (true)
        {
            int end = FindRowStart(ref scanned, ref seen, rows);
            if (end >= 0)
            {
                CloseBatch(end);
                return;
            }
            if (pageLeft == 0)
            {
                if (valuesLeft == 0)
                {
                    if (seen < rows) throw site.Corrupt("the column ends before the row group's last row");
                    CloseBatch(Vector.LevelCount);
                    return;
                }
                await NextPageAsync(0, cancel);
                continue;
            }
            Decode(Math.Min(pageLeft, NestedStep));
            if (Vector.LevelCount > 0 && Vector.Repetitions[0] != 0) throw site.Corrupt("the first value of a row does not start one");
        }
    }

    /// <summary>Passes over rows of a column that is not nested; pages that hold no other rows are not decompressed.</summary>
    public async ValueTask SkipRowsAsync(long rows, CancellationToken cancel)
    {
        while (rows > 0)
        {
            if (pageLeft == 0)
            {
                if (valuesLeft == 0) throw site.Corrupt("the column ends before the row group's last row");
                rows -= await NextPageAsync(rows, cancel);
                continue;
            }
            StartBatch();
            int step = (int)Math.Min(Math.Min(rows, pageLeft), NestedStep);
            DecodeRows(step);
            rows -= step;
        }
    }

    /// <summary>The row group's rows are all read: nothing may be left.</summary>
    public void CheckFinished()
    {
        if (valuesLeft != 0 || pageLeft != 0 || Vector.LevelCount != Vector.BatchLevels) throw site.Corrupt("the column has values beyond the row group's last row");
    }

    public void Dispose()
    {
        Vector.Dispose();
        dictionary?.Dispose();
        window.Dispose();
    }

    /// <summary>The index of the level that starts row <paramref name="rows"/> + 1, or -1 when it is not decoded yet.</summary>
    int FindRowStart(ref int scanned, ref int seen, int rows)
    {
        ReadOnlySpan<byte> levels = Vector.Repetitions;
        while (scanned < levels.Length)
        {
            int next = levels[scanned..].IndexOf((byte)0);
            if (next < 0)
            {
                scanned = levels.Length;
                break;
            }
            scanned += next;
            if (seen == rows) return scanned;
            seen++;
            scanned++;
        }
        return -1;
    }

    void CloseBatch(int levels)
    {
        Vector.BatchLevels = levels;
        Vector.BatchValues = Vector.Definitions[..levels].Count((byte)leaf.DefinitionLevel);
    }

    void Decode(int count)
    {
        Vector.AppendLevels(count, out Span<byte> definition, out Span<byte> repetition);
        if (leaf.RepetitionLevel > 0 && repetitions.Decode(repetition) is { } repetitionProblem) throw site.Corrupt(repetitionProblem);
        int present = count;
        if (leaf.DefinitionLevel > 0)
        {
            if (definitions.Decode(definition) is { } definitionProblem) throw site.Corrupt(definitionProblem);
            present = definition.Count((byte)leaf.DefinitionLevel);
        }
        pageLeft -= count;
        if (present > 0) values!.Decode(present, Vector);
    }

    /// <summary>
    /// Reads the next page. A data page of at most <paramref name="skippable"/> values is passed over; the answer is
    /// how many values were.
    /// </summary>
    async ValueTask<int> NextPageAsync(long skippable, CancellationToken cancel)
    {
        site.Offset = position;
        if (position >= window.End) throw site.Corrupt($"the column's pages end {valuesLeft} values too early");
        int wanted = (int)Math.Min(UsualHeader, window.End - position);
        PageHeader header;
        int headerSize;
        while (true)
        {
            if (!window.Holds(position, wanted)) await window.FetchAsync(position, wanted, cancel);
            if (TryReadHeader(window.Available(position), out header, out headerSize)) break;
            int more = (int)Math.Min(Math.Min(4L * wanted, LongestHeader), window.End - position);
            if (more <= wanted) throw site.Corrupt("a page header ends in the middle, or is longer than 16 MiB");
            wanted = more;
        }
        if (header.CompressedSize > window.End - position - headerSize)
        {
            throw site.Corrupt($"a page of {header.CompressedSize} bytes with {window.End - position - headerSize} bytes of the column left");
        }
        long payloadAt = position + headerSize;
        position = payloadAt + header.CompressedSize;
        switch (header.Type)
        {
            case PageType.Data or PageType.DataV2:
                if (header.ValueCount > valuesLeft) throw site.Corrupt($"a page of {header.ValueCount} values where {valuesLeft} are left");
                valuesLeft -= header.ValueCount;
                started = true;
                if (header.ValueCount <= skippable || header.ValueCount == 0) return header.ValueCount;
                break;
            case PageType.Dictionary:
                if (started || dictionary is not null) throw site.Corrupt("a dictionary that is not the column's first page");
                break;
            default: return 0;
        }
        if (!window.Holds(payloadAt, header.CompressedSize)) await window.FetchAsync(payloadAt, header.CompressedSize, cancel);
        ReadOnlyMemory<byte> payload = window.Slice(payloadAt, header.CompressedSize);
        if (verifyChecksums && header.Crc is { } crc && Crc32.Compute(payload.Span) != crc) throw site.Corrupt("the page's CRC-32 does not match: the file is damaged");
        if (header.Type == PageType.Dictionary) ReadDictionary(header, payload);
        else OpenDataPage(header, payload);
        return 0;
    }

    bool TryReadHeader(int available, out PageHeader header, out int size)
    {
        var reader = new CompactReader(window.Slice(position, available).Span);
        header = PageHeader.Read(ref reader);
        size = reader.Position;
        if (!reader.Failed) return true;
        if (reader.Truncated) return false;
        throw site.Corrupt($"the page header does not decode: {reader.Failure}");
    }

    void ReadDictionary(in PageHeader header, ReadOnlyMemory<byte> payload)
    {
        if (header.Encoding is not (PageEncoding.Plain or PageEncoding.PlainDictionary)) throw site.Unsupported($"a dictionary in encoding {header.Encoding}");
        if (leaf.Physical == PhysicalType.Boolean) throw site.Corrupt("a dictionary of booleans");
        int smallest = leaf.Physical switch { PhysicalType.ByteArray => 4, PhysicalType.FixedLenByteArray => leaf.TypeLength, _ => Vector.ValueSize };
        if ((long)header.ValueCount * smallest > header.UncompressedSize)
        {
            throw site.Corrupt($"a dictionary of {header.ValueCount} values in {header.UncompressedSize} bytes");
        }
        byte[] buffer = Decompress(payload, 0, header.UncompressedSize, true);
        Vector.Dictionary = buffer;
        dictionary = new ColumnVector(leaf, budget, site);
        ValueDecoder plain = ValueDecoder.Create(PageEncoding.Plain, leaf, budget, site);
        plain.StartPage(buffer, 0, 0, header.UncompressedSize);
        plain.Decode(header.ValueCount, dictionary);
    }

    void OpenDataPage(in PageHeader header, ReadOnlyMemory<byte> payload)
    {
        bool v2 = header.Type == PageType.DataV2;
        long levelBytes = v2 ? (long)header.RepetitionBytes + header.DefinitionBytes : 0;
        if (levelBytes > header.CompressedSize || levelBytes > header.UncompressedSize) throw site.Corrupt($"levels of {levelBytes} bytes in a page of {header.CompressedSize}");
        byte[] buffer = Decompress(payload, (int)levelBytes, header.UncompressedSize, header.IsCompressed);
        pageSlot = Vector.Adopt(buffer);
        int at = 0;
        int end = header.UncompressedSize;
        if (v2)
        {
            repetitions = new LevelDecoder(buffer, 0, header.RepetitionBytes, leaf.RepetitionLevel, bitPacked: false);
            definitions = new LevelDecoder(buffer, header.RepetitionBytes, (int)levelBytes, leaf.DefinitionLevel, bitPacked: false);
            at = (int)levelBytes;
        }
        else
        {
            if (leaf.RepetitionLevel > 0) repetitions = OpenLevels(buffer, ref at, end, header.ValueCount, leaf.RepetitionLevel, header.RepetitionEncoding);
            if (leaf.DefinitionLevel > 0) definitions = OpenLevels(buffer, ref at, end, header.ValueCount, leaf.DefinitionLevel, header.DefinitionEncoding);
        }
        values = DecoderOf(header.Encoding);
        values.StartPage(buffer, pageSlot, at, end);
        pageLeft = header.ValueCount;
    }

    LevelDecoder OpenLevels(byte[] buffer, ref int at, int end, int count, int highest, PageEncoding encoding)
    {
        long size;
        switch (encoding)
        {
            case PageEncoding.Rle:
                if (end - at < 4) throw site.Corrupt("the page ends before its levels");
                size = System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(buffer.AsSpan(at));
                at += 4;
                break;
            case PageEncoding.BitPacked:
                size = ((long)count * LevelDecoder.WidthOf(highest) + 7) / 8;
                break;
            default: throw site.Unsupported($"levels in encoding {encoding}");
        }
        if (size > end - at) throw site.Corrupt($"levels of {size} bytes with {end - at} bytes of the page left");
        int start = at;
        at += (int)size;
        return new LevelDecoder(buffer, start, at, highest, encoding == PageEncoding.BitPacked);
    }

    /// <summary>A buffer with the page as it is uncompressed; the first <paramref name="raw"/> bytes never are compressed.</summary>
    byte[] Decompress(ReadOnlyMemory<byte> payload, int raw, int size, bool compressed)
    {
        Codec codec = compressed ? chunk.Codec : Codec.Uncompressed;
        ReadOnlyMemory<byte> body = payload[raw..];
        // No bytes decompress to no bytes, although no codec would say so.
        bool empty = size == raw;
        if (!empty && !PageDecompressor.IsPlausible(codec, body.Length, size - raw))
        {
            throw site.Corrupt($"{body.Length} bytes of {codec} data cannot hold the {size - raw} bytes that the page header announces");
        }
        byte[] buffer = budget.Rent(size, site);
        try
        {
            payload.Span[..raw].CopyTo(buffer);
            if (!empty) PageDecompressor.Decompress(codec, body, buffer.AsSpan(raw, size - raw), site);
        }
        catch (TabularException)
        {
            budget.Return(buffer);
            throw;
        }
        return buffer;
    }

    ValueDecoder DecoderOf(PageEncoding encoding)
    {
        if (encoding is < 0 or > PageEncoding.Alp) throw site.Unsupported($"encoding {(int)encoding} is unknown to this reader");
        if (encoding == PageEncoding.PlainDictionary) encoding = PageEncoding.RleDictionary;
        ref ValueDecoder? decoder = ref decoders[(int)encoding];
        if (encoding != PageEncoding.RleDictionary) return decoder ??= ValueDecoder.Create(encoding, leaf, budget, site);
        if (dictionary is null) throw site.Corrupt("a page of dictionary indexes, but no dictionary");
        return decoder ??= new DictionaryDecoder(dictionary, site);
    }
}
