using System.Diagnostics;
using System.Text.Json;

namespace DataLayer.TestKit;

/// <summary>DuckDB, which makes Parquet files for tests and says what their rows are.</summary>
public static class DuckDb
{
    /// <summary>Runs statements in one database. File names in them are as this process sees them.</summary>
    public static void Run(params string[] statements)
    {
        string script = Path.Combine(TestsFolder(), "duckdb", "run.mjs");
        using Process node = Process.Start(new ProcessStartInfo("node", [script]) { RedirectStandardError = true, RedirectStandardInput = true })!;
        node.StandardInput.Write(JsonSerializer.Serialize(statements));
        node.StandardInput.Close();
        string errors = node.StandardError.ReadToEnd();
        node.WaitForExit();
        if (node.ExitCode != 0) throw new InvalidOperationException($"{script} failed (is tests/install.sh done?): {errors}");
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
