using Xunit;

namespace DataLayer.Cache.Tests;

public sealed class ConcurrencyWindowTests
{
    /// <summary>Runs for some seconds against a source whose rate (bytes/s) depends on how many reads run at once.</summary>
    static int Settle(ConcurrencyWindow window, Func<int, double> rate, int seconds = 30)
    {
        const int Size = 110_000;
        Random random = new(1);
        double now = 0;
        while (now < seconds)
        {
            // One read ends every Size / rate seconds; sizes vary as files do.
            int bytes = (int)(Size * Math.Exp(random.NextDouble() * 2 - 1));
            now += bytes / rate(window.Size);
            window.Completed(bytes, full: true, TimeSpan.FromSeconds(now));
        }
        return window.Size;
    }

    [Fact]
    public void Grows_while_more_reads_bring_more_bytes()
    {
        Assert.InRange(Settle(new ConcurrencyWindow(), running => running * 110_000 / 0.015), 110, ConcurrencyWindow.Max);
    }

    [Fact]
    public void Falls_back_to_what_the_source_can_use()
    {
        // Sixteen reads saturate it: more only wait.
        Assert.InRange(Settle(new ConcurrencyWindow(), running => Math.Min(running, 16) * 110_000 / 0.015), 12, 24);
    }

    [Fact]
    public void Finds_more_again_when_the_source_recovers()
    {
        ConcurrencyWindow window = new();
        for (int i = 0; i < 10; i++) window.Refused();
        Assert.Equal(ConcurrencyWindow.Min, window.Size);
        Assert.InRange(Settle(window, running => running * 110_000 / 0.015, seconds: 60), 64, ConcurrencyWindow.Max);
    }

    [Fact]
    public void Stays_when_nobody_asks_for_more()
    {
        ConcurrencyWindow window = new();
        for (int i = 0; i < 10_000; i++) window.Completed(1000, full: false, TimeSpan.FromMilliseconds(i * 10));
        Assert.Equal(ConcurrencyWindow.Initial, window.Size);
    }
}
