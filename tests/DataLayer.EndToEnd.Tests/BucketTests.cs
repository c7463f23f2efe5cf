using DataLayer.TestKit;
using DataLayer.TestKit.S3;
using Xunit;

namespace DataLayer.EndToEnd.Tests;

/// <summary>A mounted bucket, with every fault a server on the way to one has shown: right bytes or a clear error, never others.</summary>
public sealed class BucketTests : IAsyncDisposable
{
    readonly ScratchDirectory scratch = new();
    readonly FaultyS3Server server = new();
    readonly Dictionary<string, byte[]> objects = [];

    Dictionary<string, string> Credentials => new()
    {
        ["AWS_ACCESS_KEY_ID"] = server.AccessKey,
        ["AWS_SECRET_ACCESS_KEY"] = server.SecretKey,
        ["AWS_EC2_METADATA_DISABLED"] = "true",
    };

    void Fill(int seed, int count = 120)
    {
        Random random = new(seed);
        for (int i = 0; i < count; i++)
        {
            byte[] content = new byte[i == 0 ? 0 : i == 1 ? (5 << 20) + 17 : random.Next(200_000)];
            random.NextBytes(content);
            string key = $"train/class-{random.Next(7)}/sample-{i} ünï.bin";
            server.Put(key, content);
            objects[key["train/".Length..]] = content;
        }

        server.Put("elsewhere/not-mounted", [1]);
    }

    Mounted Mount(params string[] more) =>
        new(scratch.File("mnt"), Credentials, [$"s3://{server.Bucket}/train", "--endpoint", server.Endpoint, "--cache-dir", scratch.File("cache"), .. more]);

    /// <summary>Every object as a file below the mount, by one child process.</summary>
    void AssertEqualsObjects(Mounted mount)
    {
        string expected = scratch.Sub("expected");
        foreach ((string key, byte[] content) in objects)
        {
            string path = Path.Combine(expected, key);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, content);
        }

        Assert.Equal("", Shell.Bash("diff -r \"$1\" \"$2\" 2>&1", expected, mount.MountPoint).Output);
    }

    [Fact]
    public void A_cold_epoch_costs_one_GET_per_file_and_no_HEAD()
    {
        Fill(1);
        using Mounted mount = Mount();
        Assert.True(server.Counts.List <= 20, $"{server.Counts}");
        AssertEqualsObjects(mount);
        AssertEqualsObjects(mount);
        Assert.Equal(0, server.Counts.Head);
        // One per file, the empty one needs none; the file of six units is read in ranges.
        Assert.InRange(server.Counts.Get, 1, objects.Count - 2 + 6);
        Assert.Equal(objects.Values.Sum(content => (long)content.Length), mount.Stat("bytesFromSource"));
    }

    public static TheoryData<string> PassingFaults => ["storm", "reset", "truncated", "corrupted", "long", "dropped", "slow", "stalled"];

    [Theory]
    [MemberData(nameof(PassingFaults))]
    public void Faults_that_pass_cost_time_but_no_read(string fault)
    {
        Fill(2, count: 60);
        using Mounted mount = Mount();
        int calls = 0;
        server.OnCall = call =>
        {
            // Every second GET fails, so each read meets some and some retries fail too.
            if (call.Kind != S3CallKind.Get || Interlocked.Increment(ref calls) % 2 == 0) return null;
            return fault switch
            {
                "storm" => S3Fault.SlowDown(),
                "reset" => new S3Fault { ResetAfter = 1000 },
                "truncated" => new S3Fault { CloseAfter = 1000 },
                // Of a whole object: nothing tells a damaged range (README, limits).
                "corrupted" => call.Range is null ? new S3Fault { Corrupt = true } : null,
                "long" => new S3Fault { ContentLength = 1 << 28 },
                "dropped" => new S3Fault { Drop = true },
                "slow" => new S3Fault { Delay = TimeSpan.FromMilliseconds(200) },
                _ => calls < 6 ? new S3Fault { StallAfter = 500 } : null,
            };
        };
        AssertEqualsObjects(mount);
        Assert.True(calls > 20);
    }

    [Fact]
    public void An_object_overwritten_or_deleted_after_the_listing_is_stale_and_its_new_bytes_are_never_shown()
    {
        Fill(3, count: 20);
        server.Put("train/overwritten", "before"u8.ToArray());
        server.Put("train/deleted", "before"u8.ToArray());
        using Mounted mount = Mount();
        server.Put("train/overwritten", "after!"u8.ToArray());
        server.Delete("train/deleted");
        // Some servers ignore If-Match: the answer's ETag is compared all the same.
        server.OnCall = call => new S3Fault { IgnoreIfMatch = true };
        foreach (string name in new[] { "overwritten", "deleted" })
            Assert.Contains("Stale file handle", Shell.Bash("cat \"$1\"", Path.Combine(mount.MountPoint, name)).Errors);
        AssertOnlyTheseDiffer(mount, "deleted", "overwritten");
        Assert.True(mount.Stat("staleFiles") >= 2);
    }

    void AssertOnlyTheseDiffer(Mounted mount, params string[] names)
    {
        foreach (string name in names) objects[name] = "before"u8.ToArray();
        foreach ((string key, byte[] content) in objects)
        {
            ShellResult sum = Shell.Bash("md5sum < \"$1\"", Path.Combine(mount.MountPoint, key));
            if (names.Contains(key)) Assert.NotEqual(0, sum.ExitCode);
            else Assert.StartsWith(Convert.ToHexStringLower(System.Security.Cryptography.MD5.HashData(content)), sum.Checked);
        }
    }

    [Fact]
    public void A_versioned_bucket_serves_the_listed_version_after_an_overwrite()
    {
        server.Versioning = "Enabled";
        Fill(4, count: 10);
        using Mounted mount = Mount();
        foreach (string key in objects.Keys) server.Put("train/" + key, "newer"u8.ToArray());
        AssertEqualsObjects(mount);
    }

    [Fact]
    public async Task With_the_server_gone_cached_files_work_and_others_fail_within_the_deadline()
    {
        server.Put("train/a/cached", "cached"u8.ToArray());
        byte[] large = new byte[3 << 20];
        server.Put("train/b/missing", large);
        using Mounted mount = Mount("--read-deadline", "2s");
        Assert.Equal("cached", Shell.Bash("cat \"$1/a/cached\"", mount.MountPoint).Checked);
        await server.DisposeAsync();
        Shell.Bash("echo 3 > /proc/sys/vm/drop_caches").Checked.ToString();
        Assert.Equal("cached", Shell.Bash("cat \"$1/a/cached\"", mount.MountPoint).Checked);
        // timeout(1) bounds the hang this test is about; the deadline itself is 2 s.
        Assert.Contains("Input/output error", Shell.Bash("timeout 30 cat \"$1/b/missing\"", mount.MountPoint).Errors);
        Assert.True(mount.Stat("sourceErrors") > 0);
    }

    [Fact]
    public void Refused_credentials_are_one_line_and_no_mount()
    {
        Fill(5, count: 3);
        Dictionary<string, string> wrong = new(Credentials) { ["AWS_SECRET_ACCESS_KEY"] = "a-secret-nobody-may-see" };
        ShellResult result = Shell.Run("dotnet", [DlFuse.Assembly, "mount", $"s3://{server.Bucket}/train", scratch.File("mnt"), "--endpoint", server.Endpoint, "--path-style", "--cache-dir", scratch.File("cache")], wrong);
        Assert.Equal(1, result.ExitCode);
        Assert.Single(result.Errors.Trim().Split('\n'));
        Assert.Contains(server.Bucket, result.Errors);
        Assert.DoesNotContain("a-secret-nobody-may-see", result.Errors + result.Output);
        Assert.NotEqual(0, Shell.Bash("mountpoint -q \"$1\"", scratch.File("mnt")).ExitCode);
    }

    [Fact]
    public void Access_that_is_withdrawn_denies_what_is_not_cached()
    {
        Fill(6, count: 5);
        using Mounted mount = Mount();
        server.OnCall = call => S3Fault.Refuse(403, "AccessDenied");
        string key = objects.Keys.First(key => objects[key].Length > 0);
        Assert.Contains("Permission denied", Shell.Bash("cat \"$1\"", Path.Combine(mount.MountPoint, key)).Errors);
    }

    [Fact]
    public void Keys_that_are_no_paths_are_left_out_and_listed()
    {
        server.Put("train/good", [1]);
        server.Put("train/marker/", []);
        server.Put("train/both", [1]);
        server.Put("train/both/inner", [1]);
        server.Put("train/a//b", [1]);
        server.Put("train/./dot", [1]);
        server.Put("train/up/../../../etc/passwd", [1]);
        server.Put("train/content/", [1]);
        server.Put("train/" + new string('n', 256), [1]);
        string file = scratch.File("m");
        string[] arguments = [DlFuse.Assembly, "snapshot", $"s3://{server.Bucket}/train", "-o", file, "--endpoint", server.Endpoint, "--path-style"];
        Shell.Run("dotnet", arguments, Credentials).Checked.ToString();
        Assert.Equal(6, DlFuse.RunJson("show", file, "--json").GetProperty("unrepresentableKeys").GetInt64());
        string[] lines = DlFuse.Run("show", file, "--unrepresentable").Checked.TrimEnd().Split('\n');
        Assert.Equal(6, lines.Length);
        using Mounted mount = Mount("--snapshot", file);
        Assert.Equal("./both/inner\n./good\n", Shell.Bash("cd \"$1\" && find . -type f | sort", mount.MountPoint).Checked);
        Assert.Equal("./both\n./marker\n", Shell.Bash("cd \"$1\" && find . -mindepth 1 -type d | sort", mount.MountPoint).Checked);
    }

    public async ValueTask DisposeAsync()
    {
        await server.DisposeAsync();
        scratch.Dispose();
    }
}
