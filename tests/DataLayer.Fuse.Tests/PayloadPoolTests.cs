using Xunit;

namespace DataLayer.Fuse.Tests;

public sealed class PayloadPoolTests
{
    static readonly Action<FuseLogLevel, string> Ignore = static (_, _) => { };

    [Theory]
    [InlineData(0, 16 << 10)]
    [InlineData(1, 16 << 10)]
    [InlineData(16 << 10, 16 << 10)]
    [InlineData((16 << 10) + 1, 32 << 10)]
    [InlineData(100_000, 128 << 10)]
    [InlineData(1 << 20, 1 << 20)]
    public void A_buffer_has_the_next_power_of_two(int size, int length) =>
        Assert.Equal(length, new PayloadPool(1 << 20, 1 << 20, Ignore).Rent(size).Length);

    [Fact]
    public void More_than_the_largest_read_is_refused()
    {
        PayloadPool pool = new(4 << 20, 1 << 20, Ignore);
        Assert.Throws<ArgumentOutOfRangeException>(() => pool.Rent((1 << 20) + 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => pool.Rent(-1));
    }

    [Fact]
    public void A_returned_buffer_is_used_again()
    {
        PayloadPool pool = new(1 << 20, 1 << 20, Ignore);
        byte[] buffer = pool.Rent(50_000);
        Assert.Equal(64 << 10, pool.Held);
        pool.Return(buffer);
        Assert.Equal(0, pool.Held);
        Assert.Same(buffer, pool.Rent(40_000));
    }

    [Fact]
    public void Free_buffers_of_other_sizes_make_room()
    {
        PayloadPool pool = new(1 << 20, 1 << 20, Ignore);
        byte[][] small = [.. Enumerable.Range(0, 64).Select(_ => pool.Rent(1))];
        foreach (byte[] buffer in small) pool.Return(buffer);
        Assert.Equal(1 << 20, pool.Rent(1 << 20).Length);
        Assert.Equal(0, pool.Waits);
    }

    [Fact]
    public async Task An_exhausted_pool_waits_for_a_return()
    {
        PayloadPool pool = new(1 << 20, 1 << 20, Ignore);
        byte[] whole = pool.Rent(1 << 20);
        Task<byte[]> waiting = Task.Run(() => pool.Rent(1 << 20));
        Assert.True(SpinWait.SpinUntil(() => pool.Waits == 1, TimeSpan.FromSeconds(30)));
        Assert.False(waiting.IsCompleted);
        pool.Return(whole);
        Assert.Same(whole, await waiting.WaitAsync(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task One_large_return_serves_several_small_waiters()
    {
        PayloadPool pool = new(1 << 20, 1 << 20, Ignore);
        byte[] whole = pool.Rent(1 << 20);
        Task<byte[]>[] waiting = [.. Enumerable.Range(0, 4).Select(_ => Task.Factory.StartNew(() => pool.Rent(1), TaskCreationOptions.LongRunning))];
        Assert.True(SpinWait.SpinUntil(() => pool.Waits == 4, TimeSpan.FromSeconds(30)));
        pool.Return(whole);
        await Task.WhenAll(waiting).WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task Random_use_by_several_threads_stays_within_the_bound()
    {
        const int limit = 2 << 20;
        PayloadPool pool = new(limit, 1 << 20, Ignore);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(seed => Task.Run(() =>
        {
            Random random = new(seed);
            for (int i = 0; i < 5000; i++)
            {
                byte[] buffer = pool.Rent(random.Next(1, 1 << 20));
                Assert.InRange(pool.Held, 1, limit);
                buffer[0] = (byte)seed;
                Thread.Yield();
                Assert.Equal((byte)seed, buffer[0]); // Nobody else has it.
                if (random.Next(10) == 0) pool.Forget(buffer);
                else pool.Return(buffer);
            }
        }))).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(0, pool.Held);
    }
}
