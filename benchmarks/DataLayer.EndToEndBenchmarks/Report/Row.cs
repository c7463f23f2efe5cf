namespace DataLayer.EndToEndBenchmarks.Report;

/// <summary>One line of the table: what each target reached, in the unit of the measure and as a ratio to the reference.</summary>
/// <param name="Must">What is to be reached, in words; empty for what is only shown.</param>
/// <param name="IsMet">Whether dl-fuse reached it; null when it was not measured or nothing is asked.</param>
internal sealed record Row(string Measure, IReadOnlyDictionary<string, string> Cells, string Must, bool? IsMet);
