using DataLayer.EndToEndBenchmarks.Targets;

namespace DataLayer.EndToEndBenchmarks.Phases;

/// <summary>Watches a mount process while something is measured; does nothing where there is none.</summary>
internal sealed class ProcessWatch : IDisposable
{
    // A sample reads one small file of /proc (30 us): ten a second are not noticed on two processors.
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);
    private readonly ProcessProbe? _probe;
    private readonly Timer? _timer;
    private readonly double _cpu;
    private readonly Dictionary<string, long> _wakeUps = [];
    private readonly long _mapped;
    private long _peak;

    internal ProcessWatch(ProcessProbe? probe)
    {
        _probe = probe;
        if (probe is null) return;
        _cpu = probe.CpuSeconds;
        _wakeUps = probe.WakeUps();
        _mapped = probe.Memory("RssFile");
        _timer = new Timer(_ => Sample(), null, TimeSpan.Zero, Interval);
    }

    /// <summary>Processor time, wake-ups and memory since the start.</summary>
    internal Dictionary<string, double> Finish()
    {
        if (_probe is null) return [];
        Sample();
        return new Dictionary<string, double>
        {
            ["mountCpu"] = _probe.CpuSeconds - _cpu,
            ["mountWakeUps"] = _probe.WakeUps().Sum(thread => thread.Value - _wakeUps.GetValueOrDefault(thread.Key)),
            ["rssAnonPeak"] = Interlocked.Read(ref _peak),
            ["rssAnon"] = _probe.Memory("RssAnon"),
            // Pages it has mapped are not dropped with the page cache: what it keeps of the data shows here.
            ["rssFileBefore"] = _mapped,
            ["rssFile"] = _probe.Memory("RssFile"),
        };
    }

    public void Dispose() => _timer?.Dispose();

    private void Sample()
    {
        try
        {
            long now = _probe!.Memory("RssAnon");
            if (now > Interlocked.Read(ref _peak)) Interlocked.Exchange(ref _peak, now);
        }
        catch (IOException)
        {
            // The process is gone; whoever reads the mount reports that.
        }
    }
}
