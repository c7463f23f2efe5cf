using System.Globalization;
using DataLayer.EndToEndBenchmarks.Data;
using DataLayer.EndToEndBenchmarks.Reading;
using DataLayer.EndToEndBenchmarks.Targets;

namespace DataLayer.EndToEndBenchmarks.Phases;

/// <summary>
/// The first lookup and read of small files whose bytes are in memory but which the kernel does not know yet: ours with
/// its packs in the page cache, next to ext4 on a loop image that is in the page cache. This is the price of a file that
/// reaches our process, without the disk.
/// </summary>
internal static class FirstTouchPhase
{
    internal const string Name = "first-touch";
    private const string Image = "loop-ext4";

    internal static async Task Run(Bench bench, Dataset dataset, IReadOnlyList<Target> targets)
    {
        string folder = Path.Combine(bench.Options.Folder, "run", Name);
        await using var image = new LoopImage(Image, folder, bench.Options.Folder);
        await bench.Try(Name, image, dataset, () => image.Open(dataset, 0, bench.Cancellation));
        Target[] taking = [image, .. targets.Where(target => target is FuseTarget)];
        for (int round = 1; round <= bench.Options.Rounds; round++)
        {
            foreach (Target target in LocalPhases.InTurn(bench, taking, round))
            {
                foreach (int readers in (int[])[1, bench.Options.Readers])
                {
                    await bench.Try(Name, target, dataset, async () =>
                    {
                        // Everything goes (an inode with pages stays when only names and inodes are dropped, and with it its pages);
                        // then what lies below comes back: the packs, or the image.
                        Bench.DropCaches();
                        string backing = target is FuseTarget own ? own.CacheFolder : folder;
                        await Shell.Check("find", [backing, "-xdev", "-type", "f", "-exec", "cat", "{}", "+"], discardOutput: true);
                        await bench.Measure(Name, readers.ToString(CultureInfo.InvariantCulture), round, target, dataset, ReaderMode.Files, readers);
                    });
                }
            }
        }
    }

    /// <summary>The data set on an ext4 filesystem inside a file.</summary>
    private sealed class LoopImage(string name, string folder, string datasets) : Target
    {
        internal override string Name => name;

        internal override async Task Open(Dataset dataset, long cacheBytes, CancellationToken cancellation)
        {
            string file = Path.Combine(folder, "image"), point = Path.Combine(folder, "mount");
            Directory.CreateDirectory(point);
            // A quarter more than the files for ext4's own needs, and the journal.
            long bytes = ((dataset.Index.TotalBytes * 5 / 4) + (256L << 20)) & ~4095L;
            await using (FileStream image = File.Create(file)) image.SetLength(bytes);
            await Shell.Check("mkfs.ext4", ["-q", "-F", "-m", "0", "-N", (dataset.Index.Count * 2).ToString(CultureInfo.InvariantCulture), file]);
            await Shell.Check("mount", ["-o", "loop", file, point]);
            await Shell.Check("cp", ["-r", dataset.Materialize(Path.Combine(datasets, "ext4")) + "/.", point]);
            await Shell.Check("mount", ["-o", "remount,ro", point]);
            Root = point;
        }

        internal override async Task Close()
        {
            foreach (string point in MountTable.Below(folder)) await Shell.Run("umount", [point]);
            if (MountTable.Below(folder).Count == 0) await Tree.Remove(folder);
        }
    }
}
