using System.Diagnostics;
using System.Globalization;

namespace DataLayer.Formats.Tabular.Tests;

/// <summary>
/// Tables that DuckDB wrote and read back (tests/duckdb/generate.mjs), made once per run from a seed that failures
/// print; TABULAR_SEED and TABULAR_TABLES repeat or enlarge a run.
/// </summary>
public sealed class DuckDbTables : IDisposable
{
    public DuckDbTables()
    {
        Seed = Number("TABULAR_SEED") ?? Random.Shared.Next(1_000_000);
        int count = Number("TABULAR_TABLES") ?? 40;
        Folder = Directory.CreateTempSubdirectory("dl-tabular-").FullName;
        Run("generate.mjs", Folder, $"{Seed}", $"{count}");
        Names = [.. Enumerable.Range(0, count).Select(i => i.ToString(CultureInfo.InvariantCulture))];
    }

    public int Seed { get; }

    public string Folder { get; }

    public IReadOnlyList<string> Names { get; }

    public string Parquet(string name) => Path.Combine(Folder, name + ".parquet");

    /// <summary>What to say of a failure: enough to make the table again.</summary>
    public string Describe(string name) => $"table {name} of TABULAR_SEED={Seed}: {File.ReadAllText(Path.Combine(Folder, name + ".sql"))}";

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    static int? Number(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;

    /// <summary>Runs a script of tests/duckdb; the answer is what it printed.</summary>
    public static string Run(string script, params string[] arguments)
    {
        string path = Path.Combine(TestsFolder(), "duckdb", script);
        using var node = Process.Start(new ProcessStartInfo("node", [path, .. arguments]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        Task<string> printed = node.StandardOutput.ReadToEndAsync();
        string errors = node.StandardError.ReadToEnd();
        node.WaitForExit();
        if (node.ExitCode != 0) throw new InvalidOperationException($"{path} failed (is `npm ci --prefix tests/duckdb` done?): {errors}");
        return printed.GetAwaiter().GetResult();
    }

    static string TestsFolder()
    {
        for (string? at = AppContext.BaseDirectory; at is not null; at = Path.GetDirectoryName(at))
        {
            string tests = Path.Combine(at, "tests");
            if (File.Exists(Path.Combine(tests, "duckdb", "package.json"))) return tests;
        }
        throw new DirectoryNotFoundException($"no tests/duckdb above {AppContext.BaseDirectory}");
    }
}
