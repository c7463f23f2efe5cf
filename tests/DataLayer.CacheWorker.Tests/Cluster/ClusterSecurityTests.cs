using System.Text.Json;
using DataLayer.TestKit;
using DataLayer.TestKit.Net;
using Xunit;

namespace DataLayer.CacheWorker.Tests.Cluster;

/// <summary>Who may have what: nothing for strangers, one dataset for a token, everything for workers.</summary>
[Collection("hosts")]
public sealed class ClusterSecurityTests
{
    /// <summary>HTTP status, and what was said.</summary>
    static (int Status, string Body) Ask(params string[] curl)
    {
        string text = Shell.Run("curl", ["-sS", "--max-time", "20", "-w", "\n%{http_code}", .. curl]).Checked;
        int end = text.LastIndexOf('\n');
        return (int.Parse(text[(end + 1)..]), text[..end]);
    }

    [Fact]
    public async Task Nothing_is_served_over_the_network_without_authentication_but_healthz()
    {
        await using TestCluster cluster = new(1);
        cluster.Fill(11, small: 20, large: 0);
        cluster.StartAll();
        string mount = cluster.Mount(1);
        Assert.Equal("", cluster.Differences(mount));
        string url = cluster.UrlOf(1), authority = cluster.Authority.CertificateFile;
        string snapshot = cluster.Status(1).GetProperty("datasets")[0].GetProperty("snapshot").GetString()!;
        string block = Block(cluster.CacheOf(1));
        string[] trusted = ["--cacert", authority, "-k"];
        Assert.Equal((200, "ok\n"), Ask([.. trusted, $"{url}/healthz"]));
        string[] routes = [
            "/", "/metrics", "/v1/status", "/v1/datasets", "/v1/datasets/train", "/v1/workers", $"/v1/snapshots/{snapshot}", $"/v1/snapshots/{snapshot}/blocks/{block}",
            $"/v1/snapshots/{snapshot}/blocks/{block}/presence", "/healthz/", "//healthz", "/healthz/../v1/status", "/%68ealthz/x", "/v1/nothing"];
        foreach (string route in routes) Assert.Equal(401, Ask([.. trusted, "--path-as-is", url + route]).Status);
        foreach (string route in new[] { "/v1/datasets/train/token", "/v1/datasets/train/warm", "/v1/status" }) Assert.Equal(401, Ask([.. trusted, "-X", "POST", "-d", "{}", url + route]).Status);
        foreach (string header in new[] { "Bearer", "Bearer x", "Bearer dl1.a.b.c", "Basic cm9vdDpyb290", $"Bearer {new string('a', 20_000)}" })
            Assert.Equal(401, Ask([.. trusted, "-H", $"Authorization: {header}", $"{url}/v1/datasets"]).Status);

        // A certificate of somebody else's authority does not even shake hands.
        using WorkerAuthority other = new(cluster.Scratch.Path, "stranger");
        (string certificate, string key) = other.Issue("n1");
        Assert.NotEqual(0, Shell.Run("curl", [.. trusted, "-sS", "--cert", certificate, "--key", key, $"{url}/v1/status"]).ExitCode);
        (string expired, string expiredKey) = cluster.Authority.Issue("old", TimeSpan.FromMinutes(-5));
        Assert.NotEqual(0, Shell.Run("curl", [.. trusted, "-sS", "--cert", expired, "--key", expiredKey, $"{url}/v1/status"]).ExitCode);
        (string good, string goodKey) = cluster.Authority.Issue("tool");
        Assert.Equal(200, Ask([.. trusted, "--cert", good, "--key", goodKey, $"{url}/v1/status"]).Status);
        Assert.DoesNotContain(cluster.Source.SecretKey, Ask([.. trusted, "--cert", good, "--key", goodKey, $"{url}/metrics"]).Body, StringComparison.Ordinal);
        Assert.DoesNotContain(cluster.Source.SecretKey, cluster.WorkerErrors, StringComparison.Ordinal);
    }

    /// <summary>The id of a block file in one of these stores.</summary>
    static string Block(params string[] caches) =>
        caches.SelectMany(cache => Directory.EnumerateFiles(Path.Combine(cache, "blocks"), "*", SearchOption.AllDirectories)).Select(f => Path.GetFileName(f)).First(name => !name.Contains('.'));

    [Fact]
    public async Task A_token_opens_its_dataset_on_its_node_until_it_expires_and_nothing_else()
    {
        await using TestCluster cluster = new(2);
        cluster.Register("train", "secret");
        cluster.Fill(12, small: 15, large: 0);
        cluster.Fill(13, small: 15, large: 0, dataset: "secret");
        cluster.StartAll();
        Assert.Equal("", cluster.Differences(cluster.Mount(1)));
        string Token(string dataset, string life) =>
            Shell.Run("dotnet", [Path.Combine(AppContext.BaseDirectory, "dl-worker.dll"), "token", dataset, "--socket", cluster.SocketOf(1), "--life", life]).Checked.Trim();
        string token = Token("train", "1h"), other = Token("secret", "1h");
        string[] With(string bearer) => ["-k", "-H", $"Authorization: Bearer {bearer}"];
        string blockOfTrain = Block(cluster.CacheOf(1), cluster.CacheOf(2));
        JsonElement datasets = cluster.Status(1).GetProperty("datasets");
        string SnapshotOf(string name) => datasets.EnumerateArray().First(d => d.GetProperty("name").GetString() == name).GetProperty("snapshot").GetString()!;

        foreach (int host in new[] { 1, 2 })
        {
            Assert.Equal(200, Ask([.. With(token), $"{cluster.UrlOf(host)}/v1/datasets/train"]).Status);
            Assert.Equal(200, Ask([.. With(token), "-o", "/dev/null", $"{cluster.UrlOf(host)}/v1/snapshots/{SnapshotOf("train")}"]).Status);
            Assert.Equal(403, Ask([.. With(other), $"{cluster.UrlOf(host)}/v1/datasets/train"]).Status);
            Assert.Equal(404, Ask([.. With(other), $"{cluster.UrlOf(host)}/v1/snapshots/{SnapshotOf("train")}"]).Status);
            Assert.Equal(404, Ask([.. With(other), $"{cluster.UrlOf(host)}/v1/snapshots/{SnapshotOf("train")}/blocks/{blockOfTrain}"]).Status);
            // Knowing a block's id opens nothing: it is not in the snapshot that the token is for.
            Assert.Equal(404, Ask([.. With(other), $"{cluster.UrlOf(host)}/v1/snapshots/{SnapshotOf("secret")}/blocks/{blockOfTrain}"]).Status);
            foreach (string route in new[] { "/v1/status", "/metrics" }) Assert.Equal(403, Ask([.. With(token), cluster.UrlOf(host) + route]).Status);
            Assert.Equal(403, Ask([.. With(token), "-X", "POST", $"{cluster.UrlOf(host)}/v1/datasets/secret/token"]).Status);
            Assert.DoesNotContain("secret", Ask([.. With(token), $"{cluster.UrlOf(host)}/v1/datasets"]).Body, StringComparison.Ordinal);
        }

        // Bits of claims, certificate or signature that are not as they were signed.
        string[] parts = token.Split('.');
        for (int part = 1; part < parts.Length; part++)
        {
            string[] forged = [.. parts];
            forged[part] = parts[part][..10] + (parts[part][10] == 'A' ? 'B' : 'A') + parts[part][11..];
            Assert.Equal(401, Ask([.. With(string.Join('.', forged)), $"{cluster.UrlOf(1)}/v1/datasets/train"]).Status);
        }
        // Of another node, over this one's socket.
        string foreign = Shell.Run("dotnet", [Path.Combine(AppContext.BaseDirectory, "dl-worker.dll"), "token", "train", "--socket", cluster.SocketOf(1), "--node", "elsewhere"]).Checked.Trim();
        Assert.Equal(401, Ask(["--unix-socket", cluster.SocketOf(1), "-H", $"Authorization: Bearer {foreign}", "http://worker/v1/datasets/train"]).Status);

        // A mount with nothing but the token reads; one with another dataset's does not.
        string file = cluster.Scratch.File("token"), otherFile = cluster.Scratch.File("other-token");
        File.WriteAllText(file, token);
        File.WriteAllText(otherFile, other);
        string remote = cluster.MountWith(1, "--worker", cluster.UrlOf(2), "--worker-ca", cluster.Authority.CertificateFile, "--token-file", file);
        Assert.Equal("", cluster.Differences(remote));
        using Running refused = cluster.StartOn(1, "dl-fuse.dll", ["mount", "--worker", cluster.UrlOf(2), "train", cluster.Scratch.Sub("refused"),
            "--worker-ca", cluster.Authority.CertificateFile, "--token-file", otherFile, "--cache-dir", cluster.Scratch.File("refused-cache")]);
        Assert.Throws<InvalidOperationException>(refused.AwaitReady);
        Assert.Contains("not for dataset train", refused.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_user_is_not_let_in_at_the_socket_and_an_allowed_one_needs_a_token()
    {
        await using TestCluster cluster = new(1, "--allow-uid", "12345");
        cluster.Fill(14, small: 10, large: 0);
        cluster.StartAll();
        Shell.Bash("chmod 755 \"$1\"", cluster.Scratch.Path).Checked.ToString();
        string[] As(int user) => [$"--reuid={user}", "--clear-groups", "curl", "-sS", "--max-time", "20", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", cluster.SocketOf(1)];
        ShellResult stranger = Shell.Run("setpriv", [.. As(23456), "http://worker/healthz"]);
        Assert.NotEqual(0, stranger.ExitCode);
        Assert.Equal("401", Shell.Run("setpriv", [.. As(12345), "http://worker/v1/datasets/train"]).Checked);
        Assert.Equal("401", Shell.Run("setpriv", [.. As(12345), "-X", "POST", "http://worker/v1/datasets/train/token"]).Checked);
        string token = Shell.Run("dotnet", [Path.Combine(AppContext.BaseDirectory, "dl-worker.dll"), "token", "train", "--socket", cluster.SocketOf(1)]).Checked.Trim();
        Assert.Equal("200", Shell.Run("setpriv", [.. As(12345), "-H", $"Authorization: Bearer {token}", "http://worker/v1/datasets/train"]).Checked);
    }

    [Fact]
    public async Task Another_protocol_version_is_refused_with_words_that_say_so()
    {
        await using TestCluster cluster = new(1);
        cluster.Fill(15, small: 10, large: 0);
        cluster.StartAll();
        (int status, string body) = Ask("--unix-socket", cluster.SocketOf(1), "-H", "DL-Protocol: 7", "http://worker/v1/datasets/train");
        Assert.Equal(426, status);
        Assert.Contains("protocol 1", body, StringComparison.Ordinal);
        Assert.Contains("asked in 7", body, StringComparison.Ordinal);
        Assert.Equal(200, Ask("--unix-socket", cluster.SocketOf(1), "-H", "DL-Protocol: 1", "http://worker/v1/datasets/train").Status);
    }

    [Fact]
    public async Task A_warm_up_spreads_over_the_homes_reads_the_source_once_and_goes_on_where_it_was()
    {
        // As with reads: a worker that a stalled machine keeps silent for seconds is stood in for.
        const int attempts = 3;
        for (int attempt = 1; ; attempt++)
        {
            await using TestCluster cluster = new(3);
            cluster.Fill(16, small: 150, large: 3);
            cluster.StartAll();
            ShellResult Warm(params string[] more) => Shell.Run("dotnet", [Path.Combine(AppContext.BaseDirectory, "dl-worker.dll"), "warm", "train", "--socket", cluster.SocketOf(1), "--json", .. more]);
            Assert.NotEqual(0, Warm("no/such/path").ExitCode);
            JsonElement last = JsonDocument.Parse(Warm().Checked.Trim().Split('\n')[^1]).RootElement;
            long[] fromSource = [.. Enumerable.Range(1, 3).Select(host => cluster.Status(host).GetProperty("bytesFromSource").GetInt64())];
            bool asPlaced = last.GetProperty("done").GetBoolean() && last.GetProperty("bytes").GetInt64() == cluster.DatasetBytes
                && fromSource.Sum() == cluster.DatasetBytes && fromSource.All(bytes => bytes > 0) && cluster.Sum("bytesFromPeers") == 0;
            if (!asPlaced)
            {
                Assert.True(attempt < attempts, $"{last}; from the source {string.Join(", ", fromSource)} of {cluster.DatasetBytes}\n{cluster.WorkerErrors}");
                continue;
            }
            Assert.Equal(cluster.DatasetBytes, last.GetProperty("totalBytes").GetInt64());
            Warm().Checked.ToString();
            Assert.Equal(cluster.DatasetBytes, cluster.Sum("bytesFromSource"));
            // What one host warmed another reads without the source.
            cluster.Source.OnCall = _ => new DataLayer.TestKit.S3.S3Fault { Drop = true };
            Assert.Equal("", cluster.Differences(cluster.Mount(2)));
            return;
        }
    }
}
