using Xunit;

namespace DataLayer.Cache.Tests;

public sealed class FetchBuffersTests
{
    [Fact]
    public void Never_hands_out_more_than_its_budget_and_keeps_a_quarter_for_readers()
    {
        using FetchBuffers buffers = new(8 << 20);
        List<FetchBuffer> background = [];
        while (buffers.TryRent(1 << 20, background: true) is { } buffer) background.Add(buffer);
        Assert.Equal(6, background.Count);
        FetchBuffer first = buffers.TryRent(1 << 20, background: false)!, second = buffers.TryRent(1000_000, background: false)!;
        Assert.Null(buffers.TryRent(1, background: false));
        Assert.Equal(8 << 20, buffers.Rented);
        int released = 0;
        buffers.Released += () => released++;
        first.Return();
        second.Return();
        Assert.Equal(2, released);
        Assert.NotNull(buffers.TryRent(2 << 20, background: false));
    }

    [Fact]
    public void A_unit_larger_than_the_budget_goes_alone()
    {
        using FetchBuffers buffers = new(4 << 20);
        FetchBuffer small = buffers.TryRent(1000, background: false)!;
        Assert.Null(buffers.TryRent(32 << 20, background: false));
        small.Return();
        FetchBuffer large = buffers.TryRent(32 << 20, background: true)!;
        Assert.Null(buffers.TryRent(1000, background: false));
        large.Return();
        Assert.NotNull(buffers.TryRent(1000, background: false));
    }

    [Fact]
    public void Memory_of_one_size_is_given_back_for_another()
    {
        using FetchBuffers buffers = new(4 << 20);
        for (int round = 0; round < 3; round++)
        {
            for (int shift = 14; shift <= 22; shift++)
            {
                List<FetchBuffer> all = [];
                while (buffers.TryRent(1 << shift, background: false) is { } buffer) all.Add(buffer);
                Assert.Equal((4 << 20) >> shift, all.Count);
                foreach (FetchBuffer buffer in all)
                {
                    buffer.GetSpan().Fill(1);
                    buffer.Return();
                }
            }
        }
    }
}
