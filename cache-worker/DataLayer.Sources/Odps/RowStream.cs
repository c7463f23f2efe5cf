using DataLayer.Formats;
using DataLayer.Formats.Tabular;
using DataLayer.Formats.Tabular.Parquet;
using DataLayer.Formats.Tabular.Rows;
using DataLayer.Formats.Tabular.Text;

namespace DataLayer.Sources.Odps;

/// <summary>The rows of one input file from some row on, in batches. One thread at a time.</summary>
abstract class RowStream : IDisposable
{
    // Two columns' worth of 8 MiB requests. Several streams may be open at once, each with as much.
    const int ReadAhead = 16 << 20;

    // What the pages of one row group of a sane file need, with much to spare; a hostile one gets no more.
    const long MemoryLimit = 512 << 20;

    public static ParquetReadOptions ParquetOptions { get; } = new() { ReadAhead = ReadAhead, MemoryLimit = MemoryLimit };

    public abstract RowSchema Schema { get; }

    /// <summary>Has rows that were not written yet after <see cref="NextAsync"/> was true.</summary>
    public RowBatch Batch { get; protected set; } = null!;

    /// <summary>Whether a stream can be opened at any row, or only where a batch of delimited text ends.</summary>
    public abstract bool StartsAnywhere { get; }

    /// <summary>For delimited text: where the row after the batch starts in the uncompressed file.</summary>
    public virtual long TextOffset => 0;

    /// <summary>Makes sure that <see cref="Batch"/> has a row left; false after the last row.</summary>
    public abstract ValueTask<bool> NextAsync(CancellationToken cancellation);

    public abstract void Dispose();

    public RowFormatter Formatter(RowFormat format, RowRecipe recipe) =>
        format == RowFormat.JsonLines ? RowFormatter.JsonLines(Schema, recipe.FormatOptions) : RowFormatter.Csv(Schema, recipe.FormatOptions);

    public static ValueTask<ParquetFile> OpenParquetAsync(ISource source, RowRecipe recipe, CancellationToken cancellation) =>
        ParquetFile.OpenAsync(new SourceFileAccess(source, recipe.File, recipe.Name), ParquetOptions, cancellation);

    /// <param name="parquet">For Parquet: the file, if it is open already.</param>
    /// <param name="at">An entry of the file's index, or null for its start.</param>
    /// <param name="collect">For gzip from the start: gets the restarts.</param>
    public static async ValueTask<RowStream> OpenAsync(
        ISource source, RowRecipe recipe, ParquetFile? parquet, RowIndex.Entry? at, IReadOnlyList<GzipRestart> restarts, List<GzipRestart>? collect, CancellationToken cancellation)
    {
        if (recipe.Format == TableFormat.Parquet)
        {
            parquet ??= await OpenParquetAsync(source, recipe, cancellation);
            ParquetRows rows = new(parquet, recipe.Read);
            try
            {
                await rows.SeekAsync(at?.Row ?? 0, cancellation);
                return rows;
            }
            catch
            {
                rows.Dispose();
                throw;
            }
        }
        SourceFileAccess file = new(source, recipe.File, recipe.Name);
        long from = at?.Text ?? 0;
        Stream content;
        if (recipe.Format != TableFormat.Gzip) content = new RandomAccessStream(file, from);
        else if (from == 0) content = GzipReader.Open(file, collect);
        else content = await OpenGzipAsync(file, restarts, from, cancellation);
        return new TextRows(new DelimitedTextReader(file, content, recipe.Text!.Columns, recipe.Read, recipe.Text.Options, from));
    }

    static async ValueTask<Stream> OpenGzipAsync(SourceFileAccess file, IReadOnlyList<GzipRestart> restarts, long from, CancellationToken cancellation)
    {
        try
        {
            return await GzipReader.OpenAtAsync(file, restarts, from, cancellation);
        }
        catch (InvalidDataException e)
        {
            throw new TabularException(TabularFault.Corrupt, file.Name, from, null, $"the gzip data does not decompress: {e.Message}", e);
        }
    }

    sealed class ParquetRows(ParquetFile parquet, IReadOnlyList<string> read) : RowStream
    {
        RowGroupReader? reader;
        int group;

        public override RowSchema Schema { get; } = parquet.Project(read);

        public override bool StartsAnywhere => true;

        public async ValueTask SeekAsync(long row, CancellationToken cancellation)
        {
            IReadOnlyList<RowGroup> groups = parquet.Metadata.RowGroups;
            while (group < groups.Count && groups[group].FirstRow + groups[group].RowCount <= row) group++;
            if (group == groups.Count) return;
            reader = parquet.OpenRowGroup(group, Schema);
            await reader.SkipAsync(row - groups[group].FirstRow, cancellation);
        }

        public override async ValueTask<bool> NextAsync(CancellationToken cancellation)
        {
            if (Batch is { } current && current.NextRow < current.RowCount) return true;
            while (group < parquet.Metadata.RowGroups.Count)
            {
                reader ??= parquet.OpenRowGroup(group, Schema);
                if (await reader.ReadAsync(cancellation) is { } batch)
                {
                    Batch = batch;
                    return true;
                }
                reader.Dispose();
                reader = null;
                group++;
            }
            return false;
        }

        public override void Dispose() => reader?.Dispose();
    }

    sealed class TextRows(DelimitedTextReader reader) : RowStream
    {
        public override RowSchema Schema => reader.Schema;

        public override bool StartsAnywhere => false;

        public override long TextOffset => reader.NextRowOffset;

        public override async ValueTask<bool> NextAsync(CancellationToken cancellation)
        {
            if (Batch is { } current && current.NextRow < current.RowCount) return true;
            if (await reader.ReadAsync(cancellation) is not { } batch) return false;
            Batch = batch;
            return true;
        }

        public override void Dispose() => reader.Dispose();
    }
}
