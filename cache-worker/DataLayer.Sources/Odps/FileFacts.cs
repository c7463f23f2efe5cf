using DataLayer.Formats;
using DataLayer.Formats.Tabular;
using DataLayer.Formats.Tabular.Parquet;

namespace DataLayer.Sources.Odps;

/// <summary>What was learned of a data file without decoding its rows.</summary>
sealed record FileFacts
{
    /// <summary>Parquet's footer; not kept longer than the table's schema and statistics need it.</summary>
    public ParquetFile? Parquet { get; init; }

    /// <summary>Names of its columns.</summary>
    public IReadOnlyList<string> Columns { get; init; } = [];

    /// <summary>How delimited text is to be read.</summary>
    public TextShape? Text { get; init; }

    /// <summary>Why there can be no rows of this file.</summary>
    public TableFault? Fault { get; init; }

    /// <summary>A footer that many files may be read beside: a thousand columns in a thousand row groups, hundreds of times over, do not fit in more.</summary>
    static readonly ParquetReadOptions UsualFooter = new() { MemoryLimit = 16 << 20 };

    /// <summary>Whether the footer was too large to be read beside others.</summary>
    public bool WantsMemory { get; private init; }

    /// <param name="alone">No other file is looked at meanwhile.</param>
    public static async Task<FileFacts> ReadAsync(ISource source, ExportFile file, OdpsOptions options, bool alone, CancellationToken cancellation)
    {
        ParquetReadOptions footer = alone ? RowStream.ParquetOptions : UsualFooter;
        SourceFileAccess access = new(source, file.Source, file.Path);
        try
        {
            switch (file.Format)
            {
                case TableFormat.Parquet:
                    ParquetFile parquet = await ParquetFile.OpenAsync(access, footer, cancellation);
                    string[] names = [.. parquet.Metadata.Root.Children.Select(field => field.Name)];
                    // Rows are objects: two fields of one name would be one too many for every reader.
                    return names.Distinct(StringComparer.Ordinal).Count() < names.Length
                        ? new FileFacts { Fault = new TableFault(file.Path, null, "two columns have the same name") }
                        : new FileFacts { Parquet = parquet, Columns = names };
                case TableFormat.DelimitedText or TableFormat.Gzip:
                    TextShape text = await TextShape.DetectAsync(access, file.Format == TableFormat.Gzip, file.Name, options.Text, cancellation);
                    return new FileFacts { Text = text, Columns = text.Columns };
                default:
                    return new FileFacts { Fault = new TableFault(file.Path, null, $"rows of {FormatName.Of(file.Format)} files are not supported: the file is passed through as it is") };
            }
        }
        catch (TabularException e)
        {
            return new FileFacts { Fault = TableFault.Of(file.Path, e), WantsMemory = e.Fault == TabularFault.MemoryLimit && !alone };
        }
    }
}

/// <summary>What keeps a table from having rows.</summary>
/// <param name="Offset">Byte of the file where it was found, if it is of the file's content.</param>
sealed record TableFault(string File, long? Offset, string Error)
{
    public static TableFault Of(string file, TabularException fault) =>
        new(file, fault.Offset, $"{fault.Fault}: {(fault.Column is null ? "" : $"column {fault.Column}: ")}{fault.Problem}");
}
