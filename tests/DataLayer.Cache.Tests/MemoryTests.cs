using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Xunit;
using Xunit.Abstractions;

namespace DataLayer.Cache.Tests;

public sealed partial class MemoryTests(ITestOutputHelper output)
{
    [GeneratedRegex(@"RssAnon: (\d+) kB")]
    private static partial Regex RssAnon();

    [Theory]
    [InlineData(6000, 1.2)]
    [InlineData(6000, 0.5)]
    [InlineData(0, 0.05)]
    public async Task A_process_that_reads_a_data_set_stays_small_and_does_not_grow(int files, double cacheFraction)
    {
        using CacheFolder folder = new();
        ProcessStartInfo start = new("dotnet",
            ["exec", typeof(MemoryTests).Assembly.Location, "measure", folder.Cache, files.ToString(CultureInfo.InvariantCulture), files == 0 ? "1" : "4", "1", "4e9", cacheFraction.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardOutput = true,
        };
        using Process process = Process.Start(start)!;
        string text = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        output.WriteLine(text);
        Assert.Equal(0, process.ExitCode);
        long[] kilobytes = [.. RssAnon().Matches(text).Select(match => long.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture))];
        // 48 MiB of buffers, the runtime, and the heap's own slack.
        Assert.All(kilobytes, size => Assert.InRange(size, 1, 130_000));
        Assert.True(kilobytes[^1] <= kilobytes[0] + 30_000, string.Join(' ', kilobytes));
    }
}
