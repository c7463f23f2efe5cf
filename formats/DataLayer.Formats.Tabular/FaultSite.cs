namespace DataLayer.Formats.Tabular;

/// <summary>Where in which file the reader is: what every error names. Its owner moves <see cref="Offset"/> on.</summary>
internal sealed class FaultSite(string file, string? column)
{
    public string File => file;

    public string? Column => column;

    public long Offset { get; set; }

    public TabularException Corrupt(string problem) => Fault(TabularFault.Corrupt, problem);

    public TabularException Unsupported(string problem) => Fault(TabularFault.Unsupported, problem);

    public TabularException Fault(TabularFault fault, string problem) => new(fault, file, Offset, column, problem);
}
