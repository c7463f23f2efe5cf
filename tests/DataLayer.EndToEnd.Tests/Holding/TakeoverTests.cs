using DataLayer.TestKit;
using Xunit;
using Xunit.Abstractions;

namespace DataLayer.EndToEnd.Tests.Holding;

/// <summary>
/// The process that serves a mount dies, is killed for want of memory, and is upgraded, while twelve readers verify every byte:
/// no call fails, no byte is wrong.
/// </summary>
[Collection(nameof(Alone))]
public sealed class TakeoverTests(ITestOutputHelper output) : IDisposable
{
    readonly ScratchDirectory scratch = new();

    /// <summary>What the kernel helps with, and what it does not.</summary>
    public static TheoryData<string, string[]> Ways => new()
    {
        { "resend", ["--open-mode", "none"] },
        { "resend and passthrough", ["--open-mode", "passthrough"] },
        { "journal", ["--open-mode", "none", "--without", "HasResend", "--without", "Passthrough"] },
        { "journal and open messages", ["--open-mode", "passthrough", "--without", "HasResend"] },
    };

    [Theory]
    [MemberData(nameof(Ways))]
    public void Readers_notice_neither_kills_nor_upgrades(string way, string[] arguments) => Soak(way, arguments, kills: 3, outOfMemory: 0, upgrades: 2);

    [Theory]
    [Trait("Length", "long")]
    [MemberData(nameof(Ways))]
    public void Readers_notice_neither_50_kills_nor_10_out_of_memory_nor_20_upgrades(string way, string[] arguments) => Soak(way, arguments, kills: 50, outOfMemory: 10, upgrades: 20);

    void Soak(string way, string[] arguments, int kills, int outOfMemory, int upgrades)
    {
        const int seed = 5;
        string source = scratch.Sub("source");
        SoakReaders.CreateTree(source, small: 300, large: 10);
        Random random = new(seed);
        string[] events = [.. Enumerable.Repeat("kill", kills), .. Enumerable.Repeat("out of memory", outOfMemory), .. Enumerable.Repeat("upgrade", upgrades)];
        random.Shuffle(events);
        Dictionary<string, List<double>> takeovers = new() { ["kill"] = [], ["kill without a standby"] = [], ["out of memory"] = [], ["upgrade"] = [] };
        using MemoryGroup? group = outOfMemory > 0 ? new MemoryGroup() : null;
        // A cache smaller than the dataset: some reads wait for the source whenever one dies.
        using HeldMounted mount = new(scratch.File("mnt"), [source, "--cache-dir", scratch.File("cache"), "--cache-size", "64MiB", .. arguments]);
        SoakResult result;
        using (SoakReaders readers = new(mount.MountPoint, 12))
        {
            foreach (string next in events)
            {
                // Names and attributes are asked for again.
                File.WriteAllText("/proc/sys/vm/drop_caches", "2");
                // Mostly a standby is ready; one in four comes at any moment.
                if (random.Next(4) > 0) mount.WaitForStandby();
                Thread.Sleep(random.Next(300)); // Any moment will do: the moment is what varies, nothing waits for it.
                string kind = next;
                switch (next)
                {
                    case "upgrade":
                        Assert.Null(mount.Upgrade());
                        break;
                    case "out of memory":
                        int victim = mount.WaitForStandby().Serving;
                        group!.KillForMemory(victim);
                        mount.WaitFor(status => status.Serving > 0 && status.Serving != victim);
                        break;
                    default:
                        if (mount.Status.Standby == 0) kind = "kill without a standby";
                        mount.KillServing();
                        break;
                }

                takeovers[kind].Add(mount.Status.LastTakeoverMs);
            }

            result = readers.Finish();
        }

        foreach ((string name, List<double> times) in takeovers)
        {
            if (times.Count == 0) continue;
            times.Sort();
            output.WriteLine($"{way}: {times.Count} × {name}: nobody served for {times[times.Count / 2]:0} ms (median), {times[^1]:0} ms (longest)");
        }

        output.WriteLine($"{way}: {result.Operations} operations of 12 readers, median {result.MedianMs:0.00} ms, longest {result.WorstMs:0} ms, {result.Wrong.Count} failed or wrong (seed {seed})");
        Assert.True(result.Wrong.Count == 0, string.Join('\n', result.Wrong) + "\n" + mount.Errors);
    }

    public void Dispose()
    {
        Shell.Bash("umount -l \"$1\" 2>/dev/null; true", scratch.File("mnt"));
        scratch.Dispose();
    }
}
