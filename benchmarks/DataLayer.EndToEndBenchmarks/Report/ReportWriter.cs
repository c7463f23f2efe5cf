using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using DataLayer.EndToEndBenchmarks.Phases;
using Spectre.Console;

namespace DataLayer.EndToEndBenchmarks.Report;

/// <summary>Writes a run as a terminal table, as Markdown, and as JSON with every single number.</summary>
internal static class ReportWriter
{
    // The order of columns; targets that were not measured have none.
    private static readonly string[] Columns =
        ["dl-fuse", "ext4", "loop-ext4", "tmpfs", "dl-stub", "plain-64", "plain-16", "plain-8", "rclone", "s3fs"];

    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
    };

    internal static void Print(IReadOnlyList<Row> rows, IReadOnlyList<Failure> failures, Machine machine, IAnsiConsole console)
    {
        string[] columns = ColumnsOf(rows);
        var table = new Spectre.Console.Table().Border(TableBorder.Rounded).AddColumn("measure").AddColumn("must");
        foreach (string column in columns) table.AddColumn(column);
        foreach (Row row in rows)
        {
            string mark = row.IsMet switch { true => "[green]yes[/] ", false => "[red]no[/] ", null => "" };
            table.AddRow([row.Measure.EscapeMarkup(), mark + row.Must.EscapeMarkup(), .. columns.Select(column => Cell(row, column).EscapeMarkup())]);
        }

        console.Write(table);
        console.WriteLine(Describe(machine));
        foreach (Failure failure in failures) console.WriteLine($"{failure.Data} {failure.Phase} {failure.Target}: {failure.Reason}");
    }

    internal static string Markdown(IReadOnlyList<Row> rows, Machine machine)
    {
        string[] columns = ColumnsOf(rows);
        var text = new StringBuilder();
        text.Append(Describe(machine)).Append("\n\n| measure | must | ").AppendJoin(" | ", columns).Append(" |\n|---|---|")
            .Insert(text.Length, "---|", columns.Length).Append('\n');
        foreach (Row row in rows)
        {
            string mark = row.IsMet switch { true => "✓ ", false => "✗ ", null => "" };
            text.Append("| ").Append(row.Measure).Append(" | ").Append(mark).Append(row.Must).Append(" | ")
                .AppendJoin(" | ", columns.Select(column => Cell(row, column))).Append(" |\n");
        }

        return text.ToString();
    }

    internal static string ToJson(IReadOnlyList<Row> rows, Results results, Machine machine, BenchmarkOptions options) =>
        JsonSerializer.Serialize(new { machine, options, rows, results.Measurements, results.Stats, results.Failures }, Json);

    private static string Describe(Machine machine) =>
        $"{machine.Processors} × {machine.Processor}, {machine.MemoryGiB:F0} GiB, Linux {machine.Kernel}, {machine.Filesystem}, " +
        $".NET {machine.Runtime}, commit {machine.Commit}, {machine.StartedAt}";

    private static string[] ColumnsOf(IReadOnlyList<Row> rows) =>
        [.. Columns.Where(column => rows.Any(row => row.Cells.ContainsKey(column)))];

    private static string Cell(Row row, string column) => row.Cells.GetValueOrDefault(column, "");
}
