using DataLayer.CacheWorker.Security;
using DataLayer.TestKit;
using DataLayer.TestKit.Net;
using Xunit;

namespace DataLayer.CacheWorker.Tests;

public sealed class MountTokenTests : IDisposable
{
    readonly ScratchDirectory _scratch = new();

    static TlsFiles Files(WorkerAuthority authority, string name)
    {
        (string certificate, string key) = authority.Issue(name);
        return TlsFiles.Load(authority.CertificateFile, certificate, key);
    }

    sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now = DateTimeOffset.UtcNow;
        public override DateTimeOffset GetUtcNow() => Now;
    }

    [Fact]
    public void A_token_is_good_at_every_worker_until_it_expires_with_a_minute_for_clocks_that_differ()
    {
        using WorkerAuthority authority = new(_scratch.Path);
        Clock clock = new();
        MountTokens minting = new(Files(authority, "n1"), clock), checking = new(Files(authority, "n2"), clock);
        string token = minting.Mint("train", "n1", TimeSpan.FromMinutes(10));
        Assert.True(checking.TryCheck(token, out TokenClaims? claims, out _));
        Assert.Equal(("train", "n1"), (claims.Dataset, claims.Node));
        clock.Now += TimeSpan.FromSeconds(10 * 60 + 50);
        Assert.True(checking.TryCheck(token, out _, out _));
        clock.Now += TimeSpan.FromSeconds(20);
        Assert.False(checking.TryCheck(token, out _, out string why));
        Assert.Contains("expired", why, StringComparison.Ordinal);
        Assert.False(new MountTokens(Files(authority, "n3"), clock).TryCheck(token, out _, out _));
    }

    [Fact]
    public void A_token_of_another_cluster_and_one_that_was_changed_are_refused()
    {
        using WorkerAuthority authority = new(_scratch.Path), other = new(_scratch.Path, "other");
        MountTokens tokens = new(Files(authority, "n1"));
        Assert.False(tokens.TryCheck(new MountTokens(Files(other, "n1")).Mint("train", "n1", TimeSpan.FromHours(1)), out _, out _));
        string token = tokens.Mint("train", "n1", TimeSpan.FromHours(1));
        Random random = new(1);
        for (int i = 0; i < 300; i++)
        {
            // The last character of a part may hold bits that mean nothing; anywhere else a change is seen.
            int at = random.Next(token.Length - 2);
            char[] changed = token.ToCharArray();
            changed[at] = changed[at] == 'x' ? 'y' : 'x';
            if (at + 1 < token.Length && token[at + 1] == '.') continue;
            Assert.False(tokens.TryCheck(new string(changed), out _, out _), $"a change at {at}");
        }
        foreach (string text in new[] { "", ".", "...", "dl1", token + ".", "." + token, token.Replace("dl1", "dl2", StringComparison.Ordinal), new string('.', 9000) })
            Assert.False(tokens.TryCheck(text, out _, out _));
    }

    [Fact]
    public void A_token_lives_a_day_at_most()
    {
        using WorkerAuthority authority = new(_scratch.Path);
        MountTokens tokens = new(Files(authority, "n1"));
        Assert.Throws<UserException>(() => tokens.Mint("train", "n1", TimeSpan.FromHours(25)));
        Assert.Throws<UserException>(() => tokens.Mint("train", "n1", TimeSpan.Zero));
    }

    public void Dispose() => _scratch.Dispose();
}
