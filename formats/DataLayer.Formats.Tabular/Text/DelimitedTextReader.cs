using System.Buffers;
using System.Text;

namespace DataLayer.Formats.Tabular.Text;

/// <summary>
/// Reads the rows of a delimited text file, plain or gzip, in batches that row formatters take. All columns are text
/// and may be null. Memory is bounded by the longest row. One thread at a time.
/// </summary>
public sealed class DelimitedTextReader : IDisposable
{
    // Rows of a batch: as for Parquet. The buffer bounds them too.
    const int BatchRows = 2048;
    const int FirstBuffer = 256 << 10;

    readonly DelimitedTextOptions options;
    readonly Stream stream;
    readonly MemoryBudget budget;
    readonly FaultSite site;
    readonly RowBatch batch;
    readonly byte[] nullIndicator;
    readonly byte delimiter;
    readonly SearchValues<byte> stops;
    // The column of each field of a row, or -1 for one that is not read.
    readonly int[] columnOfField;
    byte[] buffer;
    int start;
    int end;
    long bufferOffset;
    bool ended;
    int headerLeft;
    int fieldsOfFirstRow = -1;

    /// <param name="columns">Names of the columns, in the file's order.</param>
    /// <param name="compressed">The file is gzip; offsets in errors then count uncompressed bytes.</param>
    public DelimitedTextReader(IRandomAccess file, IReadOnlyList<string> columns, bool compressed, DelimitedTextOptions? options = null)
        : this(file, compressed ? GzipReader.Open(file) : new RandomAccessStream(file), columns, null, options)
    {
    }

    /// <param name="content">The uncompressed text from <paramref name="from"/> on.</param>
    /// <param name="read">Of the columns those to read, in the order of the rows; null for all.</param>
    /// <param name="from">Offset of a row in the uncompressed text, as <see cref="NextRowOffset"/> gave it; 0 for the file's start.</param>
    public DelimitedTextReader(IRandomAccess file, Stream content, IReadOnlyList<string> columns, IReadOnlyList<string>? read, DelimitedTextOptions? options, long from = 0)
    {
        this.options = options ?? DelimitedTextOptions.Tsv;
        this.options.Validate();
        ArgumentOutOfRangeException.ThrowIfZero(columns.Count);
        read ??= columns;
        // The row, its copy while the buffer grows, and the fields' positions.
        budget = new MemoryBudget(8L * Math.Max(this.options.LongestRow, FirstBuffer) + (64 << 20));
        site = new FaultSite(file.Name, null);
        stream = content;
        bufferOffset = from;
        columnOfField = [.. columns.Select(name => IndexOf(read, name))];
        delimiter = (byte)this.options.Delimiter;
        stops = SearchValues.Create([delimiter, (byte)'\n']);
        nullIndicator = Encoding.UTF8.GetBytes(this.options.NullIndicator);
        headerLeft = from == 0 ? this.options.HeaderLines : 0;
        Schema = new RowSchema(read.Select((name, i) => new SchemaNode(name, Repetition.Optional)
        {
            Physical = PhysicalType.ByteArray,
            Logical = new LogicalType(LogicalKind.String),
            LeafIndex = i,
            DefinitionLevel = 1,
        }));
        batch = new RowBatch(Schema, [.. Schema.Columns.Select(column => new ColumnVector(column, budget, site))], [.. read.Select(_ => site)]);
        buffer = budget.Rent(FirstBuffer, site);
    }

    public RowSchema Schema { get; }

    /// <summary>Where the row after the last batch starts in the uncompressed text: a reader may be opened there.</summary>
    public long NextRowOffset => bufferOffset + start;

    /// <summary>
    /// The number of fields of the file's first row, for a table whose columns nobody has named; 0 for a file without
    /// rows. The reader is used up by the question.
    /// </summary>
    public static async ValueTask<int> CountColumnsAsync(IRandomAccess file, bool compressed, DelimitedTextOptions? options = null, CancellationToken cancel = default)
    {
        using var reader = new DelimitedTextReader(file, ["_"], compressed, (options ?? DelimitedTextOptions.Tsv) with { TolerateMismatch = true });
        return await reader.ReadAsync(cancel) is null ? 0 : reader.fieldsOfFirstRow;
    }

    /// <summary>The next rows, or null after the last. The batch is valid until the next call.</summary>
    public async ValueTask<RowBatch?> ReadAsync(CancellationToken cancel = default)
    {
        foreach (ColumnVector column in batch.Columns) column.StartBatch(0);
        // The values of the batch stay in the buffer, so it is filled only between batches.
        while (true)
        {
            int rows = ScanRows();
            if (rows > 0)
            {
                batch.Restart(rows);
                return batch;
            }
            if (ended) return null;
            await FillAsync(cancel);
        }
    }

    public void Dispose()
    {
        foreach (ColumnVector column in batch.Columns)
        {
            column.Dictionary = null;
            column.Dispose();
        }
        if (buffer.Length > 0) budget.Return(buffer);
        buffer = [];
        stream.Dispose();
    }

    /// <summary>Moves the unread bytes to the front, and reads more after them.</summary>
    async ValueTask FillAsync(CancellationToken cancel)
    {
        int left = end - start;
        if (left > options.LongestRow) throw TooLong();
        bufferOffset += start;
        if (left > buffer.Length / 2)
        {
            byte[] larger = budget.Rent(2L * left, site);
            System.Buffer.BlockCopy(buffer, start, larger, 0, left);
            budget.Return(buffer);
            buffer = larger;
        }
        else
        {
            System.Buffer.BlockCopy(buffer, start, buffer, 0, left);
        }
        start = 0;
        end = left;
        try
        {
            while (end < buffer.Length - MemoryBudget.Slack && !ended)
            {
                int read = await stream.ReadAsync(buffer.AsMemory(end, buffer.Length - MemoryBudget.Slack - end), cancel);
                ended = read == 0;
                end += read;
            }
        }
        catch (InvalidDataException e)
        {
            site.Offset = bufferOffset + end;
            throw site.Corrupt($"the gzip data does not decompress: {e.Message}");
        }
    }

    TabularException TooLong()
    {
        site.Offset = bufferOffset + start;
        return site.Fault(TabularFault.MemoryLimit, $"a row is longer than {options.LongestRow} bytes: a quote may not be closed, or LongestRow may have to be raised");
    }

    /// <summary>Splits the rows that are complete in the buffer; <see cref="start"/> moves past them.</summary>
    int ScanRows()
    {
        foreach (ColumnVector column in batch.Columns) column.Dictionary = buffer;
        int rows = 0;
        while (rows < BatchRows && start < end)
        {
            site.Offset = bufferOffset + start;
            int lineEnd = FindRowEnd(start);
            if (lineEnd < 0) break;
            if (lineEnd - start > options.LongestRow) throw TooLong();
            int contentEnd = lineEnd > start && buffer[lineEnd - 1] == '\r' ? lineEnd - 1 : lineEnd;
            if (headerLeft > 0) headerLeft--;
            else if (contentEnd > start || !options.IgnoreEmptyLines) rows += SplitRow(start, contentEnd);
            start = Math.Min(end, lineEnd + 1);
        }
        return rows;
    }

    /// <summary>The line feed that ends the row, the end of the file, or -1 when it is not in the buffer yet.</summary>
    int FindRowEnd(int from)
    {
        ReadOnlySpan<byte> rest = buffer.AsSpan(from, end - from);
        if (!options.UseQuotes)
        {
            int feed = rest.IndexOf((byte)'\n');
            return feed >= 0 ? from + feed : ended ? end : -1;
        }
        int at = 0;
        while (true)
        {
            // At the start of a field.
            if (at < rest.Length && rest[at] == '"')
            {
                at = AfterQuoted(rest, at);
                if (at < 0)
                {
                    if (ended) throw site.Corrupt("a quote is opened and never closed");
                    return -1;
                }
            }
            int stop = rest[at..].IndexOfAny(stops);
            if (stop < 0) return ended ? end : -1;
            at += stop;
            if (rest[at] == '\n') return from + at;
            at++;
        }
    }

    /// <summary>The position after the quote that closes the one at <paramref name="at"/>, or -1.</summary>
    static int AfterQuoted(ReadOnlySpan<byte> text, int at)
    {
        at++;
        while (true)
        {
            int quote = text[at..].IndexOf((byte)'"');
            if (quote < 0) return -1;
            at += quote + 1;
            if (at >= text.Length || text[at] != '"') return at;
            at++;
        }
    }

    int SplitRow(int from, int to)
    {
        int field = 0;
        int at = from;
        ColumnVector[] columns = batch.Columns;
        while (true)
        {
            bool quoted = options.UseQuotes && at < to && buffer[at] == '"';
            int search = quoted ? at + AfterQuoted(buffer.AsSpan(at, to - at), 0) : at;
            if (search < at) throw site.Corrupt("a quote is opened and never closed");
            int length = buffer.AsSpan(search, to - search).IndexOf(delimiter);
            int fieldEnd = length < 0 ? to : search + length;
            if (field < columnOfField.Length && columnOfField[field] is var column and >= 0)
            {
                if (quoted) AddQuoted(columns[column], at, search, fieldEnd);
                else Add(columns[column], at, fieldEnd);
            }
            field++;
            if (fieldEnd == to) break;
            at = fieldEnd + 1;
        }
        if (fieldsOfFirstRow < 0) fieldsOfFirstRow = field;
        if (field != columnOfField.Length && !options.TolerateMismatch)
        {
            throw site.Corrupt($"a row of {field} fields where {columnOfField.Length} are expected: the schema, the delimiter or the quoting is another");
        }
        for (; field < columnOfField.Length; field++)
        {
            if (columnOfField[field] is var missing and >= 0) AddNull(columns[missing]);
        }
        return 1;
    }

    static int IndexOf(IReadOnlyList<string> names, string name)
    {
        for (int i = 0; i < names.Count; i++)
        {
            if (names[i] == name) return i;
        }
        return -1;
    }

    void Add(ColumnVector column, int from, int to)
    {
        if (buffer.AsSpan(from, to - from).SequenceEqual(nullIndicator))
        {
            AddNull(column);
            return;
        }
        AddLevel(column, 1);
        column.AppendSlices(1)[0] = new ByteSlice(0, from, to - from);
        column.BatchValues = column.ValueCount;
    }

    /// <summary>A field in quotes is never null, and doubled quotes in it become one, in place: the buffer is ours.</summary>
    void AddQuoted(ColumnVector column, int open, int afterClose, int to)
    {
        if (afterClose != to) throw site.Corrupt("text follows a closing quote");
        int write = open + 1;
        for (int read = open + 1; read < afterClose - 1; read++)
        {
            buffer[write++] = buffer[read];
            if (buffer[read] == '"') read++;
        }
        AddLevel(column, 1);
        column.AppendSlices(1)[0] = new ByteSlice(0, open + 1, write - open - 1);
        column.BatchValues = column.ValueCount;
    }

    static void AddNull(ColumnVector column) => AddLevel(column, 0);

    static void AddLevel(ColumnVector column, byte level)
    {
        column.AppendLevels(1, out Span<byte> definition, out _);
        definition[0] = level;
        column.BatchLevels = column.LevelCount;
    }
}
