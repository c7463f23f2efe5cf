using System.CommandLine;
using DataLayer.Sources;

namespace DataLayer.FuseFs.CommandLine;

/// <summary>The options for table exports (<c>odps+…</c> sources).</summary>
sealed class ExportOptions
{
    readonly Option<string?> export = new("--export") { Description = "odps+: which of several exports into one place: latest, all, or what its files' names begin with.", HelpName = "latest|all|PREFIX" };
    readonly Option<string?> where = new("--where") { Description = "odps+: partitions that the row views hold, like \"ds>='20240101'\".", HelpName = "CONDITION" };
    readonly Option<string?> columns = new("--columns") { Description = "odps+: columns of the row views, in this order (default: all).", HelpName = "A,B" };
    readonly Option<RowViews> rows = SharedOptions.Parsed<RowViews>("--rows", "all|jsonl,csv,parts", "odps+: row views to make in .table/ (default: none). Decodes the whole table once.", TryParseRows, "--rows jsonl,parts");
    readonly Option<int> parts = new("--parts") { Description = "odps+: number of part-NNNNN-of-NNNNN.jsonl (default: one per 256 MiB).", HelpName = "N" };
    readonly Option<bool> keepNames = new("--keep-names") { Description = "odps+: add no extension to files without one." };
    readonly Option<string[]> text = new("--text") { Description = "odps+: how delimited text is written (repeatable): delimiter=C, quotes=on, null=TEXT, header=LINES, columns=A,B.", HelpName = "KEY=VALUE" };

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[export, where, columns, rows, parts, keepNames, text]) command.Options.Add(option);
    }

    public OdpsOptions Read(ParseResult parsed) => new()
    {
        Export = parsed.GetValue(export),
        Where = parsed.GetValue(where),
        Columns = parsed.GetValue(columns)?.Split(','),
        Rows = parsed.GetResult(rows) is null ? RowViews.None : parsed.GetValue(rows),
        Parts = parsed.GetValue(parts),
        KeepNames = parsed.GetValue(keepNames),
        Text = (parsed.GetValue(text) ?? []).Aggregate(new TextExport(), Set),
    };

    static bool TryParseRows(string text, out RowViews views)
    {
        views = RowViews.None;
        foreach (string name in text.Split(','))
        {
            RowViews one = name switch { "jsonl" => RowViews.JsonLines, "csv" => RowViews.Csv, "parts" => RowViews.Parts, "all" => RowViews.All, _ => RowViews.None };
            if (one == RowViews.None) return false;
            views |= one;
        }
        return true;
    }

    static TextExport Set(TextExport text, string setting)
    {
        int separator = setting.IndexOf('=');
        string key = separator < 0 ? setting : setting[..separator], value = separator < 0 ? "" : setting[(separator + 1)..];
        return key switch
        {
            "delimiter" => text with { Delimiter = value switch { "\\t" or "tab" => '\t', "\\001" or "^A" => '\u0001', { Length: 1 } => value[0], _ => throw Bad(setting) } },
            "quotes" => text with { Quotes = value switch { "on" => true, "off" => false, _ => throw Bad(setting) } },
            "null" => text with { Null = value },
            "header" => text with { HeaderLines = int.TryParse(value, out int lines) && lines >= 0 ? lines : throw Bad(setting) },
            "columns" => text with { Columns = value.Split(',') is { } names && names.All(name => name.Length > 0) && names.Distinct().Count() == names.Length ? names : throw Bad(setting) },
            _ => throw Bad(setting),
        };
    }

    static UserException Bad(string setting) =>
        new($"--text {setting}: write delimiter=, or delimiter=tab, quotes=on, null=\\N, header=1 or columns=a,b,c.");
}
