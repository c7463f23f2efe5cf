using DataLayer.Formats.Tabular;

namespace DataLayer.Sources.Odps;

/// <summary>The words and file extensions for formats.</summary>
static class FormatName
{
    public static string Of(TableFormat format) => format switch
    {
        TableFormat.Parquet => "parquet",
        TableFormat.Orc => "orc",
        TableFormat.Avro => "avro",
        TableFormat.RcFile => "rcfile",
        TableFormat.SequenceFile => "sequencefile",
        TableFormat.Gzip => "text+gzip",
        _ => "text",
    };

    /// <summary>What is added to a name without one. The text in a gzip file is not looked at for this.</summary>
    public static string Extension(TableFormat format) => format switch
    {
        TableFormat.Parquet => ".parquet",
        TableFormat.Orc => ".orc",
        TableFormat.Avro => ".avro",
        TableFormat.RcFile => ".rc",
        TableFormat.SequenceFile => ".seq",
        TableFormat.Gzip => ".txt.gz",
        _ => ".txt",
    };
}
