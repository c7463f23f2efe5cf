using System.Diagnostics;
using System.Globalization;
using DataLayer.Formats;

namespace DataLayer.Cache.Tests;

/// <summary>
/// <c>measure-local FOLDER FILES SIZE THREADS ROUNDS [order]</c>, as root: epochs in random order (or in listing order) over
/// a filled store with the page cache dropped, alternating with the same files as plain files read by 8 threads. SIZE 0 is
/// the log-normal mixture.
/// </summary>
internal static class LocalMeasurement
{
    public static async Task<int> RunAsync(string[] args)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        int files = int.Parse(args[1], culture), size = int.Parse(args[2], culture), threads = int.Parse(args[3], culture), rounds = int.Parse(args[4], culture);
        bool inOrder = args.Length > 5;
        FakeSnapshot snapshot = new(78, size == 0 ? FakeSnapshot.LogNormal(files, 78) : [.. Enumerable.Repeat(size, files)], packTarget: 8 << 20);
        await using BlockStore store = await BlockStore.OpenAsync(
            new BlockStoreOptions { Directory = Path.Combine(args[0], "cache"), Capacity = 1L << 40, DiskReserve = 0, Warn = Console.Error.WriteLine }, CancellationToken.None);
        await using DatasetReader reader = new(store, snapshot, [new LinkSource(0, 1e12)], new DatasetOptions { Name = "measured" });
        await reader.WarmAsync([.. snapshot.Files.Select(f => f.Entry)], null, CancellationToken.None);
        byte[] zeros = new byte[1 << 20];
        string[] plain = [.. Enumerable.Range(0, files).Select(i => Path.Combine(args[0], "plain", (i / 100).ToString("d4", culture), (i % 100).ToString("d2", culture)))];
        foreach (string folder in plain.Select(Path.GetDirectoryName).Distinct()!) Directory.CreateDirectory(folder!);
        for (int i = 0; i < files; i++)
        {
            using FileStream file = File.Create(plain[i], 1);
            file.Write(zeros.AsSpan(0, (int)snapshot.Files[i].Length));
        }
        for (int round = 0; round < rounds; round++)
        {
            double ours = Epoch(files, threads, round, inOrder, (i, buffer) =>
            {
                FileLocation file = snapshot.Files[i];
                if (reader.TryRead(file, 0, buffer) < 0) reader.ReadAsync(file, 0, buffer, CancellationToken.None).AsTask().GetAwaiter().GetResult();
            });
            double theirs = Epoch(files, 8, round, inOrder, (i, buffer) =>
            {
                using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(plain[i]);
                RandomAccess.Read(file, buffer, 0);
            });
            Console.WriteLine(string.Create(culture, $"round {round}: store {ours:F2} s with {threads} threads, plain files {theirs:F2} s with 8: {theirs / ours:F2} x"));
        }
        return 0;
    }

    static double Epoch(int files, int threads, int seed, bool inOrder, Action<int, byte[]> read)
    {
        Process.Start("sync").WaitForExit();
        File.WriteAllText("/proc/sys/vm/drop_caches", "3");
        int[] order = [.. Enumerable.Range(0, files)];
        if (!inOrder) new Random(seed).Shuffle(order);
        int next = -1;
        Stopwatch watch = Stopwatch.StartNew();
        Thread[] all = [.. Enumerable.Range(0, threads).Select(_ => new Thread(() =>
        {
            byte[] buffer = new byte[1 << 20];
            for (int i; (i = Interlocked.Increment(ref next)) < files;) read(order[i], buffer);
        }))];
        foreach (Thread thread in all) thread.Start();
        foreach (Thread thread in all) thread.Join();
        return watch.Elapsed.TotalSeconds;
    }
}
