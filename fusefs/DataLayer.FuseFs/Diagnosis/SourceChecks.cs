using System.Diagnostics;
using DataLayer.Formats;
using DataLayer.FuseFs.CommandLine;
using DataLayer.Sources;

namespace DataLayer.FuseFs.Diagnosis;

/// <summary>Whether a source lists and reads with the credentials there are.</summary>
static class SourceChecks
{
    // Bounded: a source that cannot be reached tries again for as long as a read would.
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public static async Task<Finding> RunAsync(SourceArgument argument, SourceOptions options, CancellationToken cancellation)
    {
        string check = $"source {argument.Uri}";
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Patience);
        try
        {
            long begun = Stopwatch.GetTimestamp();
            await using ISource source = SourceFactory.Open(argument.Uri, options);
            await foreach (IReadOnlyList<SourceEntry> page in source.ListAsync(limit.Token).WithCancellation(limit.Token))
            {
                if (page.Count > 0) return new Finding(check, Verdict.Good, $"lists; the first page took {Stopwatch.GetElapsedTime(begun).TotalMilliseconds:0} ms");
            }

            return new Finding(check, Verdict.Limited, "can be listed and holds nothing", "check bucket, prefix or path for a slip");
        }
        catch (SourceException fault)
        {
            return new Finding(check, Verdict.Bad, fault.Message);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return new Finding(check, Verdict.Bad, $"did not answer within {Patience.TotalSeconds:0} s", "check address, firewall and proxy, and --endpoint and --region for buckets");
        }
    }
}
