using Xunit;

namespace DataLayer.Cache.Tests;

public sealed class ExponentialVariateTests
{
    const double One = 1ul << ExponentialVariate.FractionBits;

    [Fact]
    public void It_follows_the_logarithm_and_never_falls_below_its_argument()
    {
        Random random = new(7);
        for (int i = 0; i < 200_000; i++)
        {
            ulong x = (ulong)random.NextInt64(long.MinValue, long.MaxValue) >> random.Next(50);
            double fraction = x / Math.Pow(2, 64), expected = x < 1ul << 40 ? fraction : -Math.Log((0 - x) / Math.Pow(2, 64));
            ulong got = ExponentialVariate.Of(x);
            Assert.True(got >= x >> 6, $"{x}");
            Assert.True(Math.Abs(got / One - expected) <= expected * Math.Pow(2, -11) + 2 / One, $"{x}: {got / One}, expected {expected}");
        }
    }

    [Fact]
    public void It_is_monotone()
    {
        Random random = new(8);
        ulong[] arguments = [0, 1, ulong.MaxValue, 1ul << 63, (1ul << 63) - 1, .. Enumerable.Range(0, 100_000).Select(_ => (ulong)random.NextInt64(long.MinValue, long.MaxValue))];
        Array.Sort(arguments);
        for (int i = 1; i < arguments.Length; i++)
            Assert.True(ExponentialVariate.Of(arguments[i - 1]) <= ExponentialVariate.Of(arguments[i]), $"{arguments[i]}");
    }

    [Fact]
    public void Its_bits_never_change()
    {
        // Workers of different versions and processors have to agree on every home.
        ulong[] arguments = [0, 1, 0x0123456789ABCDEF, 0x7FFFFFFFFFFFFFFF, 0xF000000000000001, ulong.MaxValue];
        Assert.Equal("0 1 48faf21fbeb17 2c5c85fdf473de6 b17217f7d1cf799 b17217f7d1cf7980", string.Join(' ', arguments.Select(x => ExponentialVariate.Of(x).ToString("x"))));
    }
}
