namespace DataLayer.Sources.Odps;

/// <summary>The text that rows are written as. The values are part of stored files and version tags.</summary>
enum RowFormat : byte
{
    JsonLines = 0,
    Csv = 1,
}
