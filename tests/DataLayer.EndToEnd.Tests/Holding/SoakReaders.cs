using System.Diagnostics;
using DataLayer.TestKit;

namespace DataLayer.EndToEnd.Tests.Holding;

/// <summary>What the readers of a soak saw.</summary>
/// <param name="Wrong">Failed calls and wrong bytes, one line each; a reader stops at its first.</param>
sealed record SoakResult(IReadOnlyList<string> Wrong, long Operations, double MedianMs, double WorstMs);

/// <summary>Processes that read a tree in every way and verify every byte.</summary>
sealed class SoakReaders : IDisposable
{
    public static readonly string Program = Path.Combine(AppContext.BaseDirectory.Replace("DataLayer.EndToEnd.Tests", "DataLayer.TestReader", StringComparison.Ordinal), "DataLayer.TestReader");
    readonly List<Process> readers = [];

    public SoakReaders(string root, int count)
    {
        for (int i = 0; i < count; i++)
            readers.Add(Process.Start(new ProcessStartInfo(Program, ["soak", root, $"{i + 1}"]) { RedirectStandardInput = true, RedirectStandardOutput = true })!);
        foreach (Process reader in readers)
        {
            Task<string?> line = reader.StandardOutput.ReadLineAsync();
            if (!line.Wait(HeldMounted.Patience) || line.Result is not { } ready || !ready.StartsWith("ready ", StringComparison.Ordinal))
                throw new InvalidOperationException($"a reader did not begin: {(line.IsCompleted ? line.Result : "it hangs")}");
        }
    }

    public static void CreateTree(string root, int small, int large) => Shell.Run(Program, ["soak-tree", root, $"{small}", $"{large}"]).Checked.ToString();

    public SoakResult Finish()
    {
        List<string> wrong = [];
        List<double> medians = [];
        long operations = 0;
        double worst = 0;
        foreach (Process reader in readers) reader.StandardInput.Close();
        foreach (Process reader in readers)
        {
            Task<string?> line = reader.StandardOutput.ReadLineAsync();
            if (!line.Wait(HeldMounted.Patience)) wrong.Add($"reader {reader.Id} hangs");
            else if (line.Result?.Split(' ') is ["ok", string count, _, string median, string longest])
            {
                operations += long.Parse(count);
                medians.Add(double.Parse(median) / 1000);
                worst = Math.Max(worst, double.Parse(longest) / 1000);
            }
            else wrong.Add(line.Result ?? $"reader {reader.Id} was killed (a SIGBUS?)");
        }

        return new SoakResult(wrong, operations, medians.Count == 0 ? 0 : medians.Order().ElementAt(medians.Count / 2), worst);
    }

    public void Dispose()
    {
        foreach (Process reader in readers)
        {
            if (!reader.HasExited) reader.Kill();
            reader.Dispose();
        }
    }
}
