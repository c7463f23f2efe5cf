using System.Globalization;
using DataLayer.EndToEndBenchmarks.Phases;

namespace DataLayer.EndToEndBenchmarks.Report;

/// <summary>Makes the rows from the measurements of one run: medians, and ratios of medians.</summary>
internal sealed class Table(Results results, BenchmarkOptions options)
{
    private const string Ours = "dl-fuse", Reference = "ext4";
    private readonly List<Row> _rows = [];

    internal IReadOnlyList<Row> Build()
    {
        foreach (string data in (string[])["w1", "w2"])
        {
            Speed(data, LocalPhases.Warm, "verified", $"{data.ToUpperInvariant()} warm epoch, verified", 0.70);
            Speed(data, LocalPhases.Warm, "unverified", $"{data.ToUpperInvariant()} warm epoch, no checksum", 0.70);
            Speed(data, LocalPhases.Dropped, "epoch", $"{data.ToUpperInvariant()} epoch, page cache dropped", data == "w1" ? 1.0 : 1.5);
        }

        Cold("w1", Math.Max(6.0, 1.3 * (results.Median(ColdPhase.Name, "w1", "plain-64", "epoch") ?? 0)));
        Cold("w2", null);
        Requests();
        HalfCache();
        LargeFile();
        foreach ((string step, _, _) in MetadataPhase.Walks)
        {
            Time(MetadataPhase.Name, $"{step}, first", $"W1 {step}, first");
            Time(MetadataPhase.Name, $"{step}, second", $"W1 {step}, second");
        }

        FirstTouch();
        Memory();
        Values("W1 warm epoch, CPU of the mount", LocalPhases.Warm, "unverified", "mountCpu", 1, "s", "≤ 0.05 s", cpu => cpu <= 0.05);
        Values("W1 warm epoch, wake-ups of the mount", LocalPhases.Warm, "unverified", "mountWakeUps", 1, "", "", null);
        Values("W1, RssFile of the mount after dropping the page cache", LocalPhases.Dropped, "epoch", "rssFileBefore", 1 << 20, "MB", "", null);
        Start();
        return _rows;
    }

    /// <summary>Files per second, higher is better; the ratio is to ext4.</summary>
    private void Speed(string data, string phase, string step, string measure, double must)
    {
        double? reference = results.Median(phase, data, Reference, step);
        double? files = results.Median(phase, data, Reference, step, "files") ?? results.Median(phase, data, Ours, step, "files");
        Add(measure, Targets(phase, data, step), $"≥ {Number(must)} ×",
            target => results.Median(phase, data, target, step),
            seconds => $"{Number(files / seconds ?? 0)} files/s", seconds => reference / seconds, ratio => ratio >= must);
    }

    /// <summary>Seconds, lower is better; the ratio is to ext4.</summary>
    private void Time(string phase, string step, string measure)
    {
        double? reference = results.Median(phase, "w1", Reference, step);
        Add(measure, Targets(phase, "w1", step), "≤ 1 × the time", target => results.Median(phase, "w1", target, step),
            seconds => $"{Number(seconds * 1000)} ms", seconds => seconds / reference, ratio => ratio <= 1);
    }

    private void Cold(string data, double? must)
    {
        double? plain = results.Median(ColdPhase.Name, data, "plain-64", "epoch");
        Add($"{data.ToUpperInvariant()} cold epoch (ratio: time of 64 plain connections ÷ its time)",
            [.. Targets(ColdPhase.Name, data, "epoch")], must is null ? "" : $"≤ {Number(must.Value)} s",
            target => results.Median(ColdPhase.Name, data, target, "epoch"), seconds => $"{Number(seconds)} s", seconds => plain / seconds,
            must is null ? null : ratio => plain / ratio <= must);
    }

    private void Requests()
    {
        int files = options.Files;
        var cells = new Dictionary<string, string>();
        bool? met = null;
        foreach (string target in Targets(ColdPhase.Name, "w1", "epoch").Where(name => !name.StartsWith("plain", StringComparison.Ordinal)))
        {
            double Both(string kind) =>
                (results.Median(ColdPhase.Name, "w1", target, "epoch", kind) ?? 0) + (results.Median(ColdPhase.Name, "w1", target, "mount", kind) ?? 0);
            cells[target] = $"{Number(Both("get"))} GET, {Number(Both("head"))} HEAD, {Number(Both("list"))} LIST";
            if (target == Ours) met = Both("get") <= files && Both("head") == 0 && Both("list") <= 40;
        }

        if (cells.Count > 0) _rows.Add(new Row("W1 cold epoch, requests with mounting", cells, $"≤ {files} GET, 0 HEAD, ≤ 40 LIST", met));
    }

    private void HalfCache()
    {
        // From the second epoch on: the first fills the cache.
        double? Later(string target, Func<Measurement, double> value) =>
            Results.MedianOf(results.Of(HalfCachePhase.Name, "w1", target, "cache").Where(one => one.Round > 1).Select(value));
        string[] targets = Targets(HalfCachePhase.Name, "w1", "cache");
        Add("W1, cache of half: hit rate ÷ (limit ÷ data set)", targets, "≥ 0.95",
            target => Later(target, one => one.Values["hitRate"] / (one.Values["limit"] / one.Values["datasetBytes"])),
            Number, null, ratio => ratio >= 0.95);
        Add("W1, cache of half: source bytes ÷ (data set − cached)", targets, "≤ 1.05",
            target => Later(target, one => one.Values["sourceBytes"] / (one.Values["datasetBytes"] - one.Values["cachedBefore"])),
            Number, null, ratio => ratio <= 1.05);
        Add("W1, cache of half: cache directory ÷ limit", targets, "≤ 1", target => Later(target, one => one.Values["cachedAfter"] / one.Values["limit"]),
            Number, null, ratio => ratio <= 1);
        Add("W1, cache of half: epoch", targets, "", target => Later(target, one => one.Seconds), seconds => $"{Number(seconds)} s", null, null);
    }

    private void LargeFile()
    {
        foreach (int readers in (int[])[1, options.Readers])
        {
            string step = $"read by {readers}";
            Add($"W3 cold read by {readers} (ratio: to the link)", Targets(ColdPhase.Name, "w3", step), readers == 1 ? "≥ 0.85" : "",
                target => results.Median(ColdPhase.Name, "w3", target, step), seconds => $"{Number(options.LargeBytes / seconds / 1e9)} GB/s",
                seconds => options.LargeBytes / seconds / options.LinkBytesPerSecond, readers == 1 ? ratio => ratio >= 0.85 : null);
            Add($"W3 cold read by {readers}: source bytes ÷ size", Targets(ColdPhase.Name, "w3", step), "",
                target => results.Median(ColdPhase.Name, "w3", target, step, "sourceBytes") / options.LargeBytes, Number, null, null);
        }

        foreach (string phase in (string[])[LocalPhases.Dropped, LocalPhases.Warm])
        {
            foreach ((string step, _) in LargeFilePhase.Ways)
            {
                double? reference = results.Median(phase, "w3", Reference, step);
                double? bytes = results.Median(phase, "w3", Reference, step, "bytes") ?? results.Median(phase, "w3", Ours, step, "bytes");
                Add($"W3 {step}, {(phase == LocalPhases.Warm ? "warm" : "page cache dropped")}", Targets(phase, "w3", step), "≥ 0.95 ×",
                    target => results.Median(phase, "w3", target, step), seconds => $"{Number(bytes / seconds / 1e9 ?? 0)} GB/s",
                    seconds => reference / seconds, ratio => ratio >= 0.95);
            }
        }
    }

    private void FirstTouch()
    {
        foreach ((int readers, double must) in ((int, double)[])[(1, 2.0), (options.Readers, 1.2)])
        {
            string step = readers.ToString(CultureInfo.InvariantCulture);
            double? reference = results.Median(FirstTouchPhase.Name, "w2", "loop-ext4", step);
            Add($"W2 first lookup and read, data in memory, {readers} readers", Targets(FirstTouchPhase.Name, "w2", step), $"≥ {Number(must)} ×",
                target => results.Median(FirstTouchPhase.Name, "w2", target, step), seconds => $"{Number(options.SmallFiles / seconds)} files/s",
                seconds => reference / seconds, ratio => ratio >= must);
        }
    }

    private void Memory()
    {
        double[] epochs = [.. results.Of(LocalPhases.Memory, "w1", Ours, "epoch").Select(one => one.Values["rssAnon"])];
        Values("W1 cold epoch, peak RssAnon of the mount", ColdPhase.Name, "epoch", "rssAnonPeak", 1 << 20, "MB", "≤ 150 MB", peak => peak <= 150);
        if (epochs.Length < 4) return;
        // The median of the first and of the last quarter: one sample at an unlucky moment is not growth.
        double first = Results.MedianOf(epochs.Take(epochs.Length / 4))!.Value, last = Results.MedianOf(epochs.TakeLast(epochs.Length / 4))!.Value;
        double growth = (last - first) / (1 << 20);
        // Below 4 MB it is the heap's and malloc's own breathing.
        _rows.Add(new Row($"W1, RssAnon over {epochs.Length} epochs, first → last quarter",
            new Dictionary<string, string> { [Ours] = $"{Number(first / (1 << 20))} → {Number(last / (1 << 20))} MB" }, "no growth", growth < 4));
    }

    private void Start() => Add("W1, process start to first read, ready snapshot", Targets(LocalPhases.Start, "w1", "first read"), "≤ 1 s",
        target => results.Median(LocalPhases.Start, "w1", target, "first read"), seconds => $"{Number(seconds * 1000)} ms", null, seconds => seconds <= 1);

    private void Values(string measure, string phase, string step, string value, double unit, string unitName, string must, Func<double, bool>? isMet) =>
        Add(measure, [.. Targets(phase, "w1", step).Where(target => results.Median(phase, "w1", target, step, value) is not null)], must,
            target => results.Median(phase, "w1", target, step, value) / unit, number => $"{Number(number)} {unitName}".Trim(), null, isMet);

    private string[] Targets(string phase, string data, string step) =>
        [.. results.Measurements.Where(one => one.Phase == phase && one.Data == data && one.Step == step).Select(one => one.Target).Distinct()];

    /// <summary>Adds a row when any target has the value; <paramref name="isMet"/> judges the ratio, or the value where there is none.</summary>
    private void Add(
        string measure, string[] targets, string must, Func<string, double?> value, Func<double, string> format,
        Func<double, double?>? ratio, Func<double, bool>? isMet)
    {
        var cells = new Dictionary<string, string>();
        bool? met = null;
        foreach (string target in targets)
        {
            if (value(target) is not { } number) continue;
            double? relative = ratio?.Invoke(number);
            cells[target] = relative is null ? format(number) : $"{format(number)} ({Number(relative.Value)} ×)";
            double? judged = ratio is null ? number : relative;
            if (target == Ours && isMet is not null && judged is not null) met = isMet(judged.Value);
        }

        if (cells.Count > 0) _rows.Add(new Row(measure, cells, must, met));
    }

    /// <summary>Three significant digits, or whole numbers from 100 on.</summary>
    private static string Number(double value) => Math.Abs(value) >= 100
        ? value.ToString("N0", CultureInfo.InvariantCulture)
        : value.ToString(Math.Abs(value) >= 10 ? "0.0" : "0.00#", CultureInfo.InvariantCulture);
}
