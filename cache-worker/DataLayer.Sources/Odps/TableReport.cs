namespace DataLayer.Sources.Odps;

/// <summary>What <c>stats.json</c> tells.</summary>
sealed record TableReport(ExportLayout Layout, TableStatistics Statistics)
{
    /// <param name="Index">The file beside it that holds its rows' offsets.</param>
    public sealed record View(string Name, long FirstRow, long Rows, long Bytes, string? Index);

    public List<string> Notices { get; } = [];

    public List<View> Views { get; } = [];

    public List<TableFault> Faults { get; } = [];

    /// <summary>Why there are no row views.</summary>
    public string? RowsAbsent { get; set; }
}
