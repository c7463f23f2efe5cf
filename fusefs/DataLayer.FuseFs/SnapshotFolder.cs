using System.Security.Cryptography;
using System.Text;
using DataLayer.Formats;

namespace DataLayer.FuseFs;

/// <summary>
/// The manifests of one dataset below a cache directory: `snapshots/DATASET/ID.manifest`. The newest is the base of the
/// next listing. Several mounts of one dataset may use it at once: files appear by rename and only ever vanish by unlink,
/// which a mount that has one mapped does not notice.
/// </summary>
sealed class SnapshotFolder
{
    // The one in use and the one before: enough for a mount started during a refresh to find its base.
    const int Kept = 2;

    readonly string directory;

    /// <param name="root">A cache directory, or a private temporary directory when that cannot be written.</param>
    /// <param name="dataset">As <see cref="NameOf"/> gives it.</param>
    public SnapshotFolder(string root, string dataset)
    {
        string name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(dataset)).AsSpan(0, 16));
        directory = Path.Combine(root, "snapshots", name);
        Directory.CreateDirectory(directory);
    }

    // What was not used for this long belongs to snapshots that nobody mounts; it can be made again.
    static readonly TimeSpan TablesUnusedFor = TimeSpan.FromDays(30);

    /// <summary>What is derived from table exports for the mounts that use a cache directory.</summary>
    public static string TablesIn(string cacheDirectory) => Path.Combine(cacheDirectory, "tables");

    /// <summary>The same for a snapshot file that a user made, to be kept and copied with it.</summary>
    public static string TablesBeside(string snapshotFile) => Path.GetFullPath(snapshotFile) + ".tables";

    /// <summary>Removes what no mount used for a month.</summary>
    public static void PruneTables(string cacheDirectory)
    {
        try
        {
            DirectoryInfo folder = new(TablesIn(cacheDirectory));
            if (!folder.Exists) return;
            foreach (FileInfo file in folder.EnumerateFiles())
                if (file.LastWriteTimeUtc < DateTime.UtcNow - TablesUnusedFor) file.Delete();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            Log.Warn($"{TablesIn(cacheDirectory)}: old files stay there: {fault.Message}");
        }
    }

    /// <summary>The name space is accounted to in the cache: the same for every snapshot of the same sources.</summary>
    public static string NameOf(IEnumerable<ManifestSource> sources) =>
        string.Join(';', sources.Select(source => $"{source.Identity}={source.SubPath}"));

    public string PathOf(SnapshotId id) => Path.Combine(directory, $"{id}.manifest");

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
                Log.Warn($"ignoring the stored snapshot {file.Name}: {fault.Message}");
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
