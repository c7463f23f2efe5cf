using System.Security.Cryptography;
using System.Text;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// The manifests of one dataset below a cache directory: `snapshots/DATASET/ID.manifest`. The newest is the base of the
/// next listing. Several mounts of one dataset may use it at once: files appear by rename and only ever vanish by unlink,
/// which a mount that has one mapped does not notice.
/// </summary>
public sealed class SnapshotFolder
{
    // The one in use and the one before: enough for a mount started during a refresh to find its base.
    const int Kept = 2;

    readonly string directory;
    readonly Action<string> warn;

    /// <param name="root">A cache directory, or a private temporary directory when that cannot be written.</param>
    /// <param name="dataset">As <see cref="NameOf"/> gives it.</param>
    /// <param name="warn">One line each, for stored snapshots that cannot be used.</param>
    public SnapshotFolder(string root, string dataset, Action<string> warn)
    {
        this.warn = warn;
        string name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(dataset)).AsSpan(0, 16));
        directory = Path.Combine(root, "snapshots", name);
        Directory.CreateDirectory(directory);
    }

    /// <summary>The name space is accounted to in the cache: the same for every snapshot of the same sources.</summary>
    public static string NameOf(IEnumerable<ManifestSource> sources) =>
        string.Join(';', sources.Select(source => $"{source.Identity}={source.SubPath}"));

    /// <summary>Lists the sources into a new snapshot, which is the previous one again when nothing changed.</summary>
    public async Task<Manifest> TakeAsync(
        IReadOnlyList<(ISource Source, string SubPath)> sources, IProgress<long>? entries, CancellationToken cancellation)
    {
        string building = Path.Combine(directory, $"building-{Environment.ProcessId}-{Guid.NewGuid():n}");
        try
        {
            ManifestBuildOptions options = new() { Previous = Newest() };
            using (Manifest built = await ManifestBuilder.BuildAsync(sources, building, options, entries, cancellation))
            {
                string final = PathOf(built.Id);
                File.Move(building, final, overwrite: true);
                File.SetLastWriteTimeUtc(final, DateTime.UtcNow);
                Prune(final);
                return Manifest.Open(final);
            }
        }
        finally
        {
            File.Delete(building);
        }
    }

    /// <summary>The newest stored snapshot that is sound; null when there is none.</summary>
    public Manifest? OpenNewest() => Newest() is { } path ? Manifest.Open(path) : null;

    /// <summary>The stored snapshot with this id; null when it is not here.</summary>
    public Manifest? TryOpen(SnapshotId id)
    {
        string path = PathOf(id);
        if (!File.Exists(path)) return null;
        Manifest manifest = Manifest.Open(path);
        if (manifest.Id == id) return manifest;
        manifest.Dispose();
        return null;
    }

    /// <summary>Stores a snapshot that somebody else made, after checking that it is the one that was asked for.</summary>
    /// <param name="write">Writes the manifest's bytes.</param>
    /// <exception cref="ManifestException">It is not.</exception>
    public async Task<Manifest> AddAsync(SnapshotId id, Func<Stream, CancellationToken, Task> write, CancellationToken cancellation)
    {
        string arriving = Path.Combine(directory, $"building-{Environment.ProcessId}-{Guid.NewGuid():n}");
        try
        {
            await using (FileStream file = new(arriving, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0)) await write(file, cancellation);
            using (Manifest arrived = Manifest.Open(arriving))
            {
                if (arrived.Id != id) throw new ManifestException($"snapshot {id} was asked for and {arrived.Id} came.");
                await Task.Run(() => arrived.VerifyId(cancellation), cancellation);
            }
            string final = PathOf(id);
            File.Move(arriving, final, overwrite: true);
            File.SetLastWriteTimeUtc(final, DateTime.UtcNow);
            Prune(final);
            return Manifest.Open(final);
        }
        finally
        {
            File.Delete(arriving);
        }
    }

    /// <summary>Where the snapshot with this id is, or would be.</summary>
    public string PathOf(SnapshotId id) => Path.Combine(directory, $"{id}.manifest");

    IEnumerable<FileInfo> NewestFirst() =>
        new DirectoryInfo(directory).EnumerateFiles("*.manifest").OrderByDescending(file => file.LastWriteTimeUtc);

    string? Newest()
    {
        foreach (FileInfo file in NewestFirst())
        {
            try
            {
                Manifest.Open(file.FullName).Dispose();
                return file.FullName;
            }
            catch (ManifestException fault)
            {
                warn($"ignoring the stored snapshot {file.Name}: {fault.Message}");
            }
        }

        return null;
    }

    void Prune(string current)
    {
        foreach (FileInfo file in NewestFirst().Where(file => file.FullName != current).Skip(Kept - 1)) file.Delete();
        // A listing that takes a day is not one that someone still waits for.
        foreach (FileInfo left in new DirectoryInfo(directory).EnumerateFiles("building-*"))
            if (left.LastWriteTimeUtc < DateTime.UtcNow.AddDays(-1)) left.Delete();
    }
}
