using DataLayer.Cache;
using DataLayer.Cache.Tests;
using DataLayer.Formats;
using Xunit;
using Xunit.Abstractions;

namespace DataLayer.CacheWorker.Tests.Faults;

/// <summary>
/// Random schedules of faults against what must always hold: every byte is right, no home reads a unit from the source
/// twice at once, and no read fails as long as the source or a holder comes back within the deadline.
/// </summary>
[Collection("hosts")]
public sealed class FaultScheduleTests(ITestOutputHelper output)
{
    const int Runs = 1000;
    const int RunsPerCluster = 250;

    [Fact]
    public async Task A_thousand_random_schedules_of_faults_give_no_wrong_byte_no_second_fetch_and_no_failed_read()
    {
        // DATALAYER_FAULT_SEED replays one run.
        int? only = int.TryParse(Environment.GetEnvironmentVariable("DATALAYER_FAULT_SEED"), out int seed) ? seed : null;
        int faults = 0;
        for (int first = 0; first < Runs; first += RunsPerCluster)
        {
            // Three to five nodes; the last cluster's caches hold less than a run's snapshot.
            await using ModelCluster cluster = await ModelCluster.StartAsync(3 + first / RunsPerCluster % 3, first >= Runs - RunsPerCluster ? 3 << 20 : 1L << 30);
            for (int run = first; run < first + RunsPerCluster; run++)
            {
                if (only is { } wanted && wanted != run) continue;
                try { faults += await RunAsync(cluster, run); }
                catch (Exception fault) { throw new InvalidOperationException($"seed {run}: {fault.Message}", fault); }
            }
        }
        output.WriteLine($"{faults} faults");
        Assert.True(only != null || faults > Runs);
    }

    static async Task<int> RunAsync(ModelCluster cluster, int seed)
    {
        Random random = new(seed);
        int[] sizes = [.. Enumerable.Range(0, 24).Select(_ => random.Next(1, 40_000)), (2 << 20) + random.Next(1 << 20)];
        FakeSnapshot snapshot = new(seed, sizes, packTarget: 120_000);
        await using ModelRun run = new(cluster, snapshot, seed, (CopyPolicy)random.Next(3));
        int faults = 0;
        Task[] readers = [.. run.Mounts.SelectMany((mount, i) => Enumerable.Range(0, 2).Select(j => ReadAsync(run, mount, seed * 100 + i * 10 + j)))];
        Task reading = Task.WhenAll(readers);
        while (!reading.IsCompleted && faults < 12)
        {
            ModelWorker worker = run.Workers[random.Next(run.Workers.Count)];
            worker.State = (PeerState)random.Next(6);
            if (random.Next(6) == 0) run.SourceIsUp = !run.SourceIsUp;
            faults++;
            await Task.WhenAny(reading, Task.Delay(random.Next(6)));
        }
        // Whatever was broken is mended now: every read that waits has an answer to come.
        foreach (ModelWorker worker in run.Workers) worker.State = PeerState.Up;
        run.SourceIsUp = true;
        await reading;
        foreach (ModelWorker worker in run.Workers) Assert.InRange(worker.MostAtOnce, 0, 1);
        return faults;
    }

    static async Task ReadAsync(ModelRun run, DatasetReader mount, int seed)
    {
        Random random = new(seed);
        byte[] buffer = new byte[200_000];
        for (int i = 0; i < 12; i++)
        {
            FileLocation file = run.Snapshot.Files[random.Next(run.Snapshot.Files.Count)];
            long offset = random.NextInt64(file.Length);
            int length = random.Next(1, buffer.Length);
            int read = await mount.ReadAsync(file, offset, buffer.AsMemory(0, length), CancellationToken.None);
            byte[] expected = run.Snapshot.Content(file, offset, length);
            Assert.Equal(expected.Length, read);
            Assert.True(expected.AsSpan().SequenceEqual(buffer.AsSpan(0, read)), $"wrong bytes of file {file.Entry.Value} at {offset}");
        }
    }
}
