using System.Runtime.CompilerServices;
using DataLayer.Formats;

namespace DataLayer.Sources.LocalDirectory;

/// <summary>
/// A directory of this machine, usually a mounted NAS.
/// Names are the bytes the filesystem has. Symlinks are listed and never followed; hard links become separate files; other
/// filesystems mounted below are entered; sockets, devices and pipes, and directories without permission, are listed as
/// unsupported. Holes read as zeros. Extended attributes and ACLs are not carried.
/// </summary>
internal sealed class LocalDirectorySource : ISource
{
    readonly DirectoryTree _tree;
    readonly SourceOptions _options;
    readonly BlockingThreads _threads;

    LocalDirectorySource(string path, SourceOptions options)
    {
        _tree = new DirectoryTree(path);
        _options = options;
        _threads = new BlockingThreads(options.MaxThreads, "directory source");
        Identity = "file://" + Escape(path);
    }

    public static LocalDirectorySource Open(string path, SourceOptions options) => new(path, options);

    public string Identity { get; }

    internal DirectoryTree Tree => _tree;

    public async IAsyncEnumerable<IReadOnlyList<SourceEntry>> ListAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        DirectoryWalk walk = new(_tree, _options.MaxThreads, stop.Token);
        walk.Start();
        try
        {
            while (true)
            {
                long progress = walk.Progress;
                bool more;
                try
                {
                    more = await walk.Pages.WaitToReadAsync(cancellation).AsTask().WaitAsync(_options.ReadDeadline, cancellation);
                }
                catch (TimeoutException)
                {
                    if (walk.Progress != progress) continue;
                    throw NoAnswer(_tree.RootPath);
                }
                if (!more) yield break;
                while (walk.Pages.TryRead(out List<SourceEntry>? page)) yield return page;
            }
        }
        finally
        {
            await stop.CancelAsync();
        }
    }

    public async ValueTask ReadAsync(SourceFile file, long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        if (destination.IsEmpty) return;
        long deadline = Environment.TickCount64 + (long)_options.ReadDeadline.TotalMilliseconds;
        bool settled = false;
        while (true)
        {
            TimeSpan left = TimeSpan.FromMilliseconds(Math.Max(0, deadline - Environment.TickCount64));
            FileReadJob job = new(_tree, file, offset, destination, settled);
            _threads.Start(job);
            try
            {
                await job.WaitAsync(left, cancellation);
            }
            catch (TimeoutException)
            {
                throw NoAnswer(_tree.Display(file.Key));
            }
            if (job.UnsettledForNs == 0) return;
            await Task.Delay(TimeSpan.FromTicks(job.UnsettledForNs / 100 + TimeSpan.TicksPerMillisecond), cancellation);
            settled = true;
        }
    }

    SourceException NoAnswer(string what) => new(SourceFault.Unavailable,
        $"{what} did not answer within {_options.ReadDeadline.TotalSeconds:0.#} s; is the storage behind it reachable?");

    /// <summary>Percent-encodes what <see cref="SourceUri"/> would decode, so that the identity can be given as a source again.</summary>
    static string Escape(string path) => path.Replace("%", "%25", StringComparison.Ordinal);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
