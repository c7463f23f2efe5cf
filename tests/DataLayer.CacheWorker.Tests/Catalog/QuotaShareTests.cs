using DataLayer.CacheWorker.Catalog;
using Xunit;

namespace DataLayer.CacheWorker.Tests.Catalog;

public sealed class QuotaShareTests
{
    static readonly TimeSpan Settle = TimeSpan.FromSeconds(15);

    static TimeSpan At(double seconds) => TimeSpan.FromSeconds(seconds);

    [Fact]
    public void A_share_shrinks_at_once_and_grows_late()
    {
        QuotaShare share = new(Settle);
        Assert.Equal(0, share.Update(1000_000_000, 0.5, 0, At(0)));
        Assert.Equal(0, share.Update(1000_000_000, 0.5, 0, At(14)));
        Assert.Equal(499_999_500, share.Update(1000_000_000, 0.5, 0, At(15)));
        Assert.Equal(249_999_750, share.Update(1000_000_000, 0.25, 0, At(20)));
        Assert.Equal(249_999_750, share.Update(1000_000_000, 1, 0, At(30)));
        Assert.Equal(249_999_750, share.Update(1000_000_000, 1, 0, At(44)));
        Assert.Equal(999_999_000, share.Update(1000_000_000, 1, 0, At(45)));
        Assert.Equal(0, share.Update(0, 1, 0, At(46)));
    }

    [Fact]
    public void A_worker_that_starts_keeps_what_it_has_up_to_its_share()
    {
        Assert.Equal(300, new QuotaShare(Settle).Update(1000_000, 0.5, 300, At(5)));
        Assert.Equal(499_999, new QuotaShare(Settle).Update(1000_000, 0.5, 900_000, At(5)));
    }

    [Fact]
    public void Shares_never_add_up_to_more_than_the_quota_while_workers_come_and_go()
    {
        int seed = Environment.TickCount;
        for (int round = 0; round < 30; round++)
        {
            Random random = new(seed + round);
            const long quota = 1L << 40;
            Dictionary<int, (QuotaShare Share, long Bytes)> workers = [];
            List<(double At, int[] Members)> history = [(0, [])];
            int next = 0;
            for (double now = 0; now < 400; now += 0.5)
            {
                // Half a minute without change in between, or a burst of changes.
                if (random.Next(30) == 0)
                {
                    if (workers.Count > 1 && random.Next(2) == 0) workers.Remove(workers.Keys.ElementAt(random.Next(workers.Count)));
                    else workers.Add(next++, (new QuotaShare(Settle), 0));
                    history.Add((now, [.. workers.Keys]));
                }
                foreach (int worker in workers.Keys.ToArray())
                {
                    // Each looks every two seconds, and sees the membership of up to 12 s ago.
                    if (((int)(now * 2) + worker) % 4 != 0) continue;
                    double seen = now - random.NextDouble() * 12;
                    int[] members = history.Last(h => h.At <= Math.Max(0, seen)).Members;
                    if (!members.Contains(worker)) members = [.. members, worker];
                    workers[worker] = workers[worker] with { Bytes = workers[worker].Share.Update(quota, 1.0 / members.Length, 0, At(now)) };
                }
                Assert.True(workers.Values.Sum(w => (decimal)w.Bytes) <= quota, $"seed {seed + round}, second {now}: {workers.Values.Sum(w => (decimal)w.Bytes)}");
            }
            Assert.True(workers.Values.Any(w => w.Bytes > 0), "nobody ever got a share");
        }
    }

    [Fact]
    public void A_pin_beyond_the_quota_is_refused_copies_included()
    {
        Assert.Null(QuotaShare.RefusePin("train", 100, 2, null));
        Assert.Null(QuotaShare.RefusePin("train", 100, 2, 200));
        Assert.Contains("dataset train", QuotaShare.RefusePin("train", 100, 2, 199));
        Assert.NotNull(QuotaShare.RefusePin("train", long.MaxValue, 8, long.MaxValue));
    }
}
