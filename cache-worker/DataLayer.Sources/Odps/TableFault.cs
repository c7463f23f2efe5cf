using DataLayer.Formats.Tabular;

namespace DataLayer.Sources.Odps;

/// <summary>What keeps a table from having rows.</summary>
/// <param name="Offset">Byte of the file where it was found, if it is of the file's content.</param>
sealed record TableFault(string File, long? Offset, string Error)
{
    public static TableFault Of(string file, TabularException fault) =>
        new(file, fault.Offset, $"{fault.Fault}: {(fault.Column is null ? "" : $"column {fault.Column}: ")}{fault.Problem}");
}
