using System.Diagnostics;
using System.Text.Json;
using DataLayer.TestKit;
using Xunit;
using Xunit.Abstractions;

namespace DataLayer.CacheWorker.Tests.Cluster;

/// <summary>Four workers and four mounts on hosts of their own: right bytes, and none of them fetched twice, whatever happens.</summary>
[Collection("hosts")]
public sealed class ClusterReadTests(ITestOutputHelper output)
{
    const int Hosts = 4;

    // A worker that a stalled machine keeps silent for seconds is bypassed, which costs the source more by design: such an
    // attempt says nothing of the one copy, and is made again.
    const int Attempts = 3;

    [Fact]
    public async Task Four_mounts_that_read_from_cold_cost_the_source_one_copy()
    {
        for (int attempt = 1; ; attempt++)
        {
            await using TestCluster cluster = new(Hosts);
            cluster.Fill(1, small: 300, large: 6);
            cluster.StartAll();
            string[] mounts = [.. Enumerable.Range(1, Hosts).Select(i => cluster.Mount(i))];
            string[] differences = await Task.WhenAll(mounts.Select(mount => Task.Run(() => cluster.Differences(mount))));
            Assert.All(differences, found => Assert.Equal("", found));
            // One of them listed.
            Assert.True(cluster.Source.Counts.List <= 10, $"{cluster.Source.Counts}");
            long fromSource = cluster.Sum("bytesFromSource");
            output.WriteLine($"source {fromSource:N0} of {cluster.DatasetBytes:N0}, from peers {cluster.Sum("bytesFromPeers"):N0}, to mounts {cluster.Sum("bytesToMounts"):N0}");
            if ((double)fromSource / cluster.DatasetBytes is >= 0.9999 and <= 1.03) return;
            Assert.True(attempt < Attempts, $"{fromSource:N0} bytes from the source for {cluster.DatasetBytes:N0}, {Attempts} times in a row\n{cluster.WorkerErrors}");
        }
    }

    [Fact]
    public async Task A_mount_reads_what_its_worker_holds_without_a_copy_through_it()
    {
        await using TestCluster cluster = new(1);
        cluster.Fill(2, small: 100, large: 2);
        cluster.StartAll();
        string mount = cluster.Mount(1);
        Assert.Equal("", cluster.Differences(mount));
        long sent = cluster.Status(1).GetProperty("bytesToMounts").GetInt64();
        TestCluster.DropKernelCaches();
        Assert.Equal("", cluster.Differences(mount));
        JsonElement after = cluster.Status(1);
        Assert.Equal(sent, after.GetProperty("bytesToMounts").GetInt64());
        Assert.True(after.GetProperty("leases").GetInt64() > 0);
        Assert.True(sent <= cluster.DatasetBytes);
    }

    [Fact]
    public async Task Each_worker_killed_in_turn_during_reads_costs_no_read_and_no_byte_and_a_restarted_one_serves_again()
    {
        await using TestCluster cluster = new(Hosts);
        cluster.Fill(3, small: 200, large: 4);
        cluster.StartAll();
        string[] mounts = [.. Enumerable.Range(1, Hosts).Select(i => cluster.Mount(i))];
        using ReadLoop loop = new(cluster, mounts);
        for (int host = 1; host <= Hosts; host++)
        {
            loop.AwaitRounds(2);
            cluster.Worker(host).Kill();
            loop.AwaitRounds(2);
            cluster.Start(host);
            cluster.Worker(host).AwaitReady();
        }
        loop.AwaitRounds(2);
        loop.Stop();
        output.WriteLine($"{loop.Rounds} rounds, longest read of one file {loop.LongestStall.TotalSeconds:0.00} s");
        Assert.True(loop.Failures.Length == 0, $"{loop.Failures}\n{cluster.MountErrors}\n{cluster.WorkerErrors}");
    }

    [Fact]
    public async Task A_hung_worker_and_a_pulled_cable_cost_one_short_wait_and_no_read()
    {
        await using TestCluster cluster = new(3);
        cluster.Fill(4, small: 30, large: 1);
        cluster.StartAll();
        string[] mounts = [.. Enumerable.Range(1, 3).Select(i => cluster.Mount(i))];
        using ReadLoop loop = new(cluster, mounts);
        loop.AwaitRounds(1);
        cluster.Worker(1).Signal("STOP");
        loop.AwaitRounds(1);
        cluster.Worker(1).Signal("CONT");
        // A host that reaches nobody waits; ten seconds are well within the read deadline.
        cluster.Hosts.Connect(2, false);
        await Task.Delay(TimeSpan.FromSeconds(10));
        cluster.Hosts.Connect(2, true);
        loop.AwaitRounds(1);
        loop.Stop();
        output.WriteLine($"{loop.Rounds} rounds, longest read of one file {loop.LongestStall.TotalSeconds:0.00} s");
        Assert.True(loop.Failures.Length == 0, $"{loop.Failures}\n{cluster.MountErrors}\n{cluster.WorkerErrors}");
    }

    [Fact]
    public async Task Damage_on_a_workers_disk_is_never_served_and_is_mended()
    {
        await using TestCluster cluster = new(2);
        cluster.Fill(5, small: 150, large: 2);
        cluster.StartAll();
        string first = cluster.Mount(1), second = cluster.Mount(2);
        Assert.Equal("", cluster.Differences(first));
        // Every block file of the first worker, in the middle of each 64 KiB; its sidecars say what should be there.
        int damaged = Damage(cluster.CacheOf(1));
        Assert.True(damaged > 0);
        TestCluster.DropKernelCaches();
        Assert.Equal("", cluster.Differences(second));
        // A process that read parts of a unit has verified it once and does not look again; a new one does.
        Assert.Equal("", cluster.Differences(cluster.Mount(1)));
        Assert.True(cluster.Status(1).GetProperty("badChecksums").GetInt64() > 0);
        Assert.Equal(0, cluster.Status(2).GetProperty("badChecksums").GetInt64());
    }

    static int Damage(string cache)
    {
        int damaged = 0;
        foreach (string file in Directory.EnumerateFiles(Path.Combine(cache, "blocks"), "*", SearchOption.AllDirectories).Where(f => !Path.GetFileName(f).Contains('.')))
        {
            using FileStream stream = new(file, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            for (long at = 32 << 10; at < stream.Length; at += 64 << 10)
            {
                stream.Position = at;
                int was = stream.ReadByte();
                stream.Position = at;
                stream.WriteByte((byte)(was ^ 0x10));
                damaged++;
            }
        }
        return damaged;
    }

    [Fact]
    public async Task A_drained_worker_ends_by_itself_and_its_mount_reads_on_through_the_others()
    {
        await using TestCluster cluster = new(2);
        cluster.Fill(6, small: 80, large: 1);
        cluster.StartAll();
        string mount = cluster.Mount(1);
        using ReadLoop loop = new(cluster, [mount]);
        loop.AwaitRounds(1);
        Assert.Equal(0, cluster.Worker(1).Terminate());
        loop.AwaitRounds(2);
        loop.Stop();
        Assert.True(loop.Failures.Length == 0, $"{loop.Failures}\n{cluster.MountErrors}");
    }

    [Fact]
    public async Task A_mount_holds_no_credentials_and_needs_a_worker_only_not_a_source()
    {
        await using TestCluster cluster = new(2);
        cluster.Fill(7, small: 60, large: 1);
        cluster.StartAll();
        string mount = cluster.Mount(1);
        Assert.Equal("", cluster.Differences(mount));
        string environment = Shell.Bash("for p in $(pgrep -f \"dl-fuse.dll mount train $1\"); do tr '\\0' '\\n' < /proc/$p/environ; done", mount).Checked;
        Assert.NotEqual("", environment);
        Assert.DoesNotContain(cluster.Source.SecretKey, environment, StringComparison.Ordinal);
        // With the source gone what the workers hold is read on, on another host as well.
        cluster.Source.OnCall = _ => new DataLayer.TestKit.S3.S3Fault { Drop = true };
        string other = cluster.Mount(2);
        Assert.Equal("", cluster.Differences(other));
    }
}

/// <summary>Reads mounts over and over, every byte compared, past the kernel's cache; one child process for each mount.</summary>
sealed class ReadLoop : IDisposable
{
    readonly TestCluster _cluster;
    readonly CancellationTokenSource _stop = new();
    readonly Task[] _tasks;
    readonly int[] _rounds;
    readonly List<string> _failures = [];
    TimeSpan _longest;

    public ReadLoop(TestCluster cluster, string[] mounts)
    {
        _cluster = cluster;
        _rounds = new int[mounts.Length];
        _tasks = [.. mounts.Select((mount, i) => Task.Run(() => Run(mount, i)))];
    }

    public int Rounds => _rounds.Sum();
    public string Failures { get { lock (_failures) return string.Join('\n', _failures); } }
    public TimeSpan LongestStall { get { lock (_failures) return _longest; } }

    void Run(string mount, int index)
    {
        while (!_stop.IsCancellationRequested)
        {
            TestCluster.DropKernelCaches();
            // One line per file: nothing when equal, and how long the slowest took.
            ShellResult round = Shell.Bash("""
                cd "$1"; longest=0
                while IFS= read -r -d '' f; do
                  from=$EPOCHREALTIME
                  cmp -- "$f" "$2/$f" 2>&1
                  to=$EPOCHREALTIME; took=$(( ${to/./} - ${from/./} )); (( took > longest )) && longest=$took
                done < <(find . -type f -print0 | shuf -z)
                echo "longest $longest"
                """, _cluster.Expected, mount);
            string[] lines = (round.Output + round.Errors).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            lock (_failures)
            {
                _failures.AddRange(lines.Where(l => !l.StartsWith("longest ", StringComparison.Ordinal)));
                foreach (string line in lines.Where(l => l.StartsWith("longest ", StringComparison.Ordinal)))
                    _longest = TimeSpan.FromMicroseconds(Math.Max(_longest.TotalMicroseconds, double.Parse(line["longest ".Length..])));
            }
            Interlocked.Increment(ref _rounds[index]);
        }
    }

    /// <summary>Waits until every mount, or each of those named, was read so many times more from start to end.</summary>
    public void AwaitRounds(int more, int[]? mounts = null)
    {
        int[] which = mounts ?? [.. Enumerable.Range(0, _rounds.Length)];
        int[] goals = [.. which.Select(i => Volatile.Read(ref _rounds[i]) + more)];
        Stopwatch waited = Stopwatch.StartNew();
        while (!which.Select((mount, i) => Volatile.Read(ref _rounds[mount]) >= goals[i]).All(reached => reached))
        {
            if (waited.Elapsed > TimeSpan.FromSeconds(120)) throw new TimeoutException($"rounds {string.Join(' ', _rounds)}: reads do not go on\n{Failures}\n{_cluster.MountErrors}\n{_cluster.WorkerErrors}");
            Thread.Sleep(20);
        }
    }

    public void Stop()
    {
        _stop.Cancel();
        Task.WaitAll(_tasks);
    }

    public void Dispose()
    {
        Stop();
        _stop.Dispose();
    }
}

/// <summary>Hosts share the machine's two cores: one cluster at a time.</summary>
[CollectionDefinition("hosts", DisableParallelization = true)]
public sealed class HostsCollection;
