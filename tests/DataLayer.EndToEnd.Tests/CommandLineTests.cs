using System.Text.Json;
using DataLayer.TestKit;
using Xunit;

namespace DataLayer.EndToEnd.Tests;

/// <summary>What an engineer at a shell meets: help, errors of one line, exit codes, JSON.</summary>
public sealed class CommandLineTests : IDisposable
{
    readonly ScratchDirectory scratch = new();

    [Theory]
    [InlineData("mount")]
    [InlineData("mount", "/tmp")]
    [InlineData("mount", "/tmp", "/mnt", "--no-such-option")]
    [InlineData("mount", "/tmp", "/mnt", "--cache-size", "many")]
    [InlineData("mount", "/tmp", "/mnt", "--refresh", "5 parsecs")]
    [InlineData("mount", "/tmp", "/mnt", "--file-mode", "999")]
    [InlineData("snapshot", "/tmp")]
    [InlineData("frobnicate")]
    public void Wrong_usage_exits_with_2_and_points_to_help(params string[] arguments)
    {
        ShellResult result = DlFuse.Run(arguments);
        Assert.Equal(2, result.ExitCode);
        Assert.Contains("--help", result.Errors);
        Assert.DoesNotContain("   at ", result.Errors);
    }

    [Fact]
    public void The_doctor_tries_everything_and_tells_what_to_do()
    {
        string source = scratch.Sub("source");
        File.WriteAllText(Path.Combine(source, "file"), "content");
        ShellResult good = DlFuse.Run("doctor", source, "--cache-dir", scratch.File("cache"), "--json");
        Dictionary<string, JsonElement> findings = JsonDocument.Parse(good.Checked).RootElement.EnumerateArray().ToDictionary(finding => finding.GetProperty("check").GetString()!);
        foreach (string check in new[] { "mounting", $"source {source}" }) Assert.Equal("Good", findings[check].GetProperty("verdict").GetString());
        foreach (string check in new[] { "resend", "open files", "cache room", "cache disk", "cache speed" }) Assert.NotEqual("Bad", findings[check].GetProperty("verdict").GetString());
        Assert.All(findings.Values.Where(finding => finding.GetProperty("verdict").GetString() == "Limited"), finding => Assert.NotEqual(JsonValueKind.Null, finding.GetProperty("remedy").ValueKind));
        ShellResult bad = DlFuse.Run("doctor", "/no/such/source", "--cache-dir", scratch.File("cache"));
        Assert.Equal(1, bad.ExitCode);
        Assert.Contains("BAD  source /no/such/source", bad.Output);
        Assert.False(Directory.Exists(scratch.File("cache")));
    }

    [Theory]
    [InlineData("/no/such/source", "mount", "/no/such/source", "MNT")]
    [InlineData("ftp", "mount", "ftp://host/x", "MNT")]
    [InlineData("--cache-size", "mount", "/etc", "MNT", "--cache-size", "1M")]
    [InlineData("'/images'", "mount", "/etc=images", "/usr=images", "MNT")]
    [InlineData("loopback", "mount", "/etc", "MNT", "--metrics", "0.0.0.0:9000")]
    [InlineData("not a dl-fuse mount", "stats", "/")]
    [InlineData("not a dl-fuse mount", "warm", "/")]
    [InlineData("no-such-file", "show", "no-such-file")]
    [InlineData("no-such-dir", "check", "no-such-dir")]
    public void Bad_input_exits_with_1_and_one_line_that_names_it(string named, params string[] arguments)
    {
        ShellResult result = DlFuse.Run([.. arguments.Select(a => a == "MNT" ? scratch.File("mnt") : a), .. arguments[0] == "mount" ? new[] { "--cache-dir", scratch.File("cache") } : []]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains(named, result.Errors, StringComparison.OrdinalIgnoreCase);
        Assert.Single(result.Errors.Trim().Split('\n'));
    }

    [Fact]
    public void Help_of_every_command_shows_its_options()
    {
        Assert.Contains("mount", DlFuse.Run("--help").Checked);
        foreach (string command in new[] { "mount", "snapshot", "show", "warm", "stats", "unmount", "check" })
            Assert.Contains("Usage", DlFuse.Run(command, "--help").Checked);
    }

    [Fact]
    public void Snapshot_show_mount_warm_stats_and_check_work_together()
    {
        string source = scratch.Sub("source");
        RandomTree.Create(source, 11, files: 60);
        string file = scratch.File("data.manifest");
        JsonElement made = DlFuse.RunJson("snapshot", source, "-o", file, "--json");
        JsonElement shown = DlFuse.RunJson("show", file, "--json");
        Assert.Equal(made.GetProperty("id").GetString(), shown.GetProperty("id").GetString());
        string count = Shell.Bash("find \"$1\" -type f | tr -cd '\\n' | wc -c; find \"$1\" -type f -printf x | wc -c", source).Checked.Trim().Split('\n')[^1];
        Assert.Equal(long.Parse(count), shown.GetProperty("files").GetInt64());
        Assert.Equal(made.GetProperty("id").GetString(), DlFuse.RunJson("snapshot", source, "-o", scratch.File("again"), "--json").GetProperty("id").GetString());

        using (Mounted mount = new(scratch.File("mnt"), source, "--snapshot", file, "--cache-dir", scratch.File("cache")))
        {
            string[] events = DlFuse.Run("warm", mount.MountPoint, "--json").Checked.Trim().Split('\n');
            JsonElement last = JsonDocument.Parse(events[^1]).RootElement;
            Assert.True(last.GetProperty("done").GetBoolean());
            Assert.Equal(shown.GetProperty("bytes").GetInt64(), last.GetProperty("bytes").GetInt64());
            long fetched = mount.Stat("bytesFromSource");
            Assert.Equal(shown.GetProperty("bytes").GetInt64(), fetched);
            Assert.Equal("", Shell.Bash("diff -r --no-dereference \"$1\" \"$2\"", source, mount.MountPoint).Checked);
            Assert.Equal(fetched, mount.Stat("bytesFromSource"));
            Assert.Equal(made.GetProperty("id").GetString(), mount.Stats().GetProperty("snapshot").GetString());
        }

        JsonElement check = DlFuse.RunJson("check", scratch.File("cache"), "--json");
        Assert.Equal(0, check.GetProperty("badUnits").GetInt64());
        Assert.Equal(shown.GetProperty("bytes").GetInt64(), check.GetProperty("bytes").GetInt64());
    }

    [Fact]
    public void A_damaged_block_is_found_by_check_and_never_served()
    {
        string source = scratch.Sub("source");
        byte[] content = new byte[200_000];
        new Random(5).NextBytes(content);
        File.WriteAllBytes(Path.Combine(source, "file"), content);
        using (Mounted mount = new(scratch.File("mnt"), source, "--cache-dir", scratch.File("cache")))
            Shell.Bash("cat \"$1/file\" > /dev/null", mount.MountPoint).Checked.ToString();
        // Every data file gets one wrong byte.
        Shell.Bash("find \"$1/blocks\" -type f ! -name '*.sum' -exec sh -c 'printf X | dd of=\"$1\" bs=1 seek=100000 conv=notrunc status=none' _ {} \\;", scratch.File("cache")).Checked.ToString();
        ShellResult check = DlFuse.Run("check", scratch.File("cache"), "--json");
        Assert.Equal(1, check.ExitCode);
        Assert.Equal(1, JsonDocument.Parse(check.Output).RootElement.GetProperty("badUnits").GetInt64());
        using Mounted again = new(scratch.File("mnt"), source, "--cache-dir", scratch.File("cache"));
        Assert.Equal("", Shell.Bash("cmp \"$1/file\" \"$2/file\"", source, again.MountPoint).Checked);
    }

    [Fact]
    public void A_snapshot_of_other_sources_is_refused()
    {
        string one = scratch.Sub("one"), two = scratch.Sub("two");
        DlFuse.Run("snapshot", one, "-o", scratch.File("m")).Checked.ToString();
        ShellResult result = DlFuse.Run("mount", two, scratch.File("mnt"), "--snapshot", scratch.File("m"), "--cache-dir", scratch.File("cache"));
        Assert.Equal(1, result.ExitCode);
        Assert.Contains(one, result.Errors);
    }

    [Fact]
    public void A_daemon_returns_when_ready_and_unmount_ends_it()
    {
        string source = scratch.Sub("source");
        File.WriteAllText(Path.Combine(source, "hello"), "world");
        ShellResult started = DlFuse.Run("mount", source, scratch.File("mnt"), "--cache-dir", scratch.File("cache"), "--daemon", "--log-file", scratch.File("log"));
        Assert.True(started.ExitCode == 0, started.Errors);
        int pid = DlFuse.RunJson("stats", scratch.File("mnt"), "--json").GetProperty("pid").GetInt32();
        Assert.Equal("world", Shell.Bash("cat \"$1/hello\"", scratch.File("mnt")).Checked);
        DlFuse.Run("unmount", scratch.File("mnt")).Checked.ToString();
        DlFuse.Run("unmount", scratch.File("mnt")).Checked.ToString(); // what is not mounted is success
        Assert.Equal(0, Shell.Bash("for i in $(seq 300); do [ -d /proc/$1 ] || exit 0; sleep 0.1; done; exit 1", pid.ToString()).ExitCode);
    }

    [Fact]
    public async Task Metrics_are_served_as_Prometheus_text()
    {
        string source = scratch.Sub("source");
        File.WriteAllText(Path.Combine(source, "hello"), "world");
        int port = FreePort.Take();
        using Mounted mount = new(scratch.File("mnt"), source, "--cache-dir", scratch.File("cache"), "--metrics", $"127.0.0.1:{port}");
        Shell.Bash("cat \"$1/hello\"", mount.MountPoint).Checked.ToString();
        using HttpClient http = new();
        string text = await http.GetStringAsync($"http://127.0.0.1:{port}/metrics");
        Assert.Contains("datalayer_mount_source_read_bytes_total 5\n", text);
        Assert.Contains("# TYPE datalayer_mount_read_hits_total counter\n", text);
    }

    public void Dispose() => scratch.Dispose();
}
