using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace DataLayer.TestReader;

/// <summary>
/// Reads a tree in every way, verifying every byte, until standard input ends. What it read leaves the page cache at once, so
/// that the mount is asked again. A file's name tells its content: SEED-SIZE.
/// </summary>
static unsafe class Soak
{
    const int DontNeed = 4; // POSIX_FADV_DONTNEED
    const int HeldFiles = 4;

    /// <summary>
    /// Prints, at the end: "ok", operations, bytes, the median and the longest operation in microseconds, and the longest gap;
    /// at the first failed call or wrong byte: what it was.
    /// </summary>
    /// <param name="root">Directories of files.</param>
    /// <param name="number">Which reader this is: its order of doing things.</param>
    public static int Run(string root, int number)
    {
        Random random = new(number);
        bool stop = false;
        Thread input = new(() =>
        {
            Console.In.ReadToEnd();
            Volatile.Write(ref stop, true);
        })
        { IsBackground = true };
        List<(string Path, ulong Seed, long Size)> files = [];
        string? wrong = Walk(root, files);
        files.Sort(static (a, b) => string.CompareOrdinal(a.Path, b.Path));
        Dictionary<string, int> held = [];
        Console.Out.WriteLine(wrong ?? $"ready {files.Count}");
        Console.Out.Flush();
        input.Start();
        List<int> times = [];
        long bytes = 0;
        byte* buffer = (byte*)NativeMemory.AlignedAlloc(2 << 20, 4096);
        while (wrong is null && !Volatile.Read(ref stop))
        {
            (string path, ulong seed, long size) = files[random.Next(files.Count)];
            int way = random.Next(16);
            long begun = Stopwatch.GetTimestamp();
            if (way == 15)
            {
                List<(string, ulong, long)> again = [];
                wrong = Walk(root, again);
                if (wrong is null && again.Count != files.Count) wrong = $"wrong: a walk found {again.Count} of {files.Count} files";
            }
            else if (way >= 13)
            {
                wrong = ReadHeld(held, random, files, buffer);
            }
            else
            {
                wrong = ReadFile(path, seed, size, (way, random), buffer);
                bytes += Math.Min(size, 2 << 20);
            }

            times.Add((int)Stopwatch.GetElapsedTime(begun).TotalMicroseconds);
        }

        times.Sort();
        Console.Out.WriteLine(wrong ?? $"ok {times.Count} {bytes} {times[times.Count / 2]} {times[^1]}");
        Console.Out.Flush();
        return wrong is null ? 0 : 1;
    }

    /// <summary>Lists everything below, and stats each name.</summary>
    static string? Walk(string root, List<(string Path, ulong Seed, long Size)> files)
    {
        try
        {
            foreach (FileInfo file in new DirectoryInfo(root).EnumerateFiles("*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0, IgnoreInaccessible = false }))
            {
                string[] parts = file.Name.Split('-');
                (ulong seed, long size) = (ulong.Parse(parts[0]), long.Parse(parts[1]));
                if (file.Length != size) return $"wrong: {file.FullName} has {file.Length} bytes";
                files.Add((file.FullName, seed, size));
            }

            return null;
        }
        catch (Exception fault)
        {
            return $"wrong: walking {root}: {fault.Message}";
        }
    }

    /// <summary>Up to 2 MiB of one file, by read, pread, O_DIRECT, mmap or sendfile.</summary>
    static string? ReadFile(string path, ulong seed, long size, (int Way, Random Random) how, byte* buffer)
    {
        const int most = 2 << 20;
        bool direct = how.Way is 3 or 4;
        byte[] name = Encoding.UTF8.GetBytes(path + "\0");
        int file = Native.Open(name, Native.ReadOnly | (direct ? Native.Direct : 0), 0);
        if (file < 0) return Failed("open", path);
        long from = size > most ? how.Random.NextInt64((size - 1) / 4096) * 4096 : 0;
        int wanted = (int)Math.Min(most, size - from);
        string? wrong;
        if (how.Way is 5 or 6 && wanted > 0) wrong = Map(file, path, seed, from, wanted);
        else if (how.Way is 7 or 8) wrong = Send(file, path, seed, from, wanted, buffer);
        else wrong = Read(file, path, seed, from, wanted, direct ? most : how.Way is 1 ? 4099 : most, buffer);
        _ = Native.FAdvise(file, 0, 0, DontNeed);
        if (Native.Close(file) < 0 && wrong is null) wrong = Failed("close", path);
        return wrong;
    }

    static string? Read(int file, string path, ulong seed, long from, int wanted, int step, byte* buffer)
    {
        for (int done = 0; done < wanted;)
        {
            nint count = Native.PRead(file, buffer, step == 4099 ? Math.Min(step, wanted - done) : step, from + done);
            if (count < 0) return Failed("pread", path);
            if (count == 0) return $"wrong: {path} ended at {from + done}";
            count = Math.Min(count, wanted - done);
            if (Pattern.FirstDifference(new ReadOnlySpan<byte>(buffer, (int)count), seed, from + done) is >= 0 and long at) return $"wrong: byte {at} of {path}";
            done += (int)count;
        }

        return null;
    }

    static string? Map(int file, string path, ulong seed, long from, int wanted)
    {
        const int readable = 1, shared = 1;
        byte* map = (byte*)Native.MMap(null, (nuint)wanted, readable, shared, file, (nint)from);
        if (map == (byte*)-1) return Failed("mmap", path);
        long at = Pattern.FirstDifference(new ReadOnlySpan<byte>(map, wanted), seed, from);
        Native.MUnmap(map, (nuint)wanted);
        return at < 0 ? null : $"wrong: mapped byte {at} of {path}";
    }

    static string? Send(int file, string path, ulong seed, long from, int wanted, byte* buffer)
    {
        int memory = Native.MemFd("sent\0"u8.ToArray(), 0);
        long offset = from;
        for (int done = 0; done < wanted;)
        {
            nint count = Native.SendFile(memory, file, &offset, wanted - done);
            if (count <= 0) return Failed("sendfile", path);
            done += (int)count;
        }

        // Offset 0 of the copy is offset "from" of the file.
        string? wrong = Native.PRead(memory, buffer, wanted, 0) == wanted && Pattern.FirstDifference(new ReadOnlySpan<byte>(buffer, wanted), seed, from) < 0 ? null : $"wrong: bytes sent from {path}";
        Native.Close(memory);
        return wrong;
    }

    /// <summary>A descriptor that stays open over many takeovers.</summary>
    static string? ReadHeld(Dictionary<string, int> held, Random random, List<(string Path, ulong Seed, long Size)> files, byte* buffer)
    {
        if (held.Count < HeldFiles)
        {
            (string path, _, _) = files[random.Next(files.Count)];
            if (held.ContainsKey(path)) return null;
            int file = Native.Open(Encoding.UTF8.GetBytes(path + "\0"), Native.ReadOnly, 0);
            if (file < 0) return Failed("open", path);
            held[path] = file;
            return null;
        }

        string one = held.Keys.ElementAt(random.Next(held.Count));
        (string Path, ulong Seed, long Size) found = files.First(file => file.Path == one);
        string? wrong = Read(held[one], one, found.Seed, 0, (int)Math.Min(found.Size, 1 << 20), 1 << 20, buffer);
        _ = Native.FAdvise(held[one], 0, 0, DontNeed);
        if (random.Next(50) != 0 || wrong is not null) return wrong;
        if (Native.Close(held[one]) < 0) return Failed("close", one);
        held.Remove(one);
        return null;
    }

    static string Failed(string call, string path) => $"wrong: {call} of {path}: errno {Marshal.GetLastPInvokeError()}";
}
