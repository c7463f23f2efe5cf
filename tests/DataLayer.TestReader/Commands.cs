using System.Runtime.InteropServices;
using System.Text;

namespace DataLayer.TestReader;

/// <summary>What the reader can be told to do.</summary>
static unsafe class Commands
{
    static readonly Dictionary<string, int> Held = [];

    public static string Execute(string[] words) => words[0] switch
    {
        "verify" => Verify(words[1], Bytes(words[2]), ulong.Parse(words[3]), long.Parse(words[4])),
        "read-errno" => ReadErrno(Bytes(words[1])),
        "hold" => Hold(words[1], Bytes(words[2])),
        "release" => Status(Native.Close(Held[words[1]])),
        "pread" => PRead(Held[words[1]], long.Parse(words[2]), int.Parse(words[3])),
        "stat" => Stat(Text(words[1])),
        "statfs" => StatFs(Text(words[1])),
        "list" => List(Text(words[1])),
        "readlink" => ReadLink(Bytes(words[1])),
        "seek" => Seek(Bytes(words[1]), long.Parse(words[2]), words[3] == "data" ? Native.SeekData : Native.SeekHole),
        "getxattr" => GetXattr(Bytes(words[1]), Bytes(words[2])),
        "listxattr" => ListXattr(Bytes(words[1])),
        "ioctl" => Ioctl(Bytes(words[1]), ulong.Parse(words[2])),
        "write" => WriteErrno(words[1], Bytes(words[2])),
        "open-read-stat" => OpenReadStat(Text(words[1]), int.Parse(words[2])),
        "spin" => Spin(Text(words[1]), int.Parse(words[2])),
        _ => throw new ArgumentException($"No such command: {words[0]}"),
    };

    /// <summary>Reads a whole file in one way and compares it with its pattern.</summary>
    static string Verify(string way, byte[] path, ulong seed, long size)
    {
        int file = Native.Open(path, Native.ReadOnly | (way == "direct" ? Native.Direct : 0), 0);
        if (file < 0) return Failed();
        try
        {
            return way switch
            {
                "sequential" => Sequential(file, seed, size, 128 << 10),
                "odd" => Sequential(file, seed, size, 4099),
                "random" => RandomReads(file, seed, size),
                "mmap" => Mapped(file, seed, size),
                "sendfile" => Sent(file, seed, size),
                "direct" => DirectReads(file, seed, size),
                _ => throw new ArgumentException($"No such way to read: {way}"),
            };
        }
        finally
        {
            Native.Close(file);
        }
    }

    static string Sequential(int file, ulong seed, long size, int step)
    {
        byte[] buffer = new byte[step];
        long offset = 0;
        while (true)
        {
            nint count;
            fixed (byte* at = buffer) count = Native.Read(file, at, buffer.Length);
            if (count < 0) return Failed();
            if (count == 0) return offset == size ? "ok" : $"wrong ended at {offset} of {size}";
            if (Pattern.FirstDifference(buffer.AsSpan(0, (int)count), seed, offset) is >= 0 and long wrong) return $"wrong byte at {wrong}";
            offset += count;
        }
    }

    static string RandomReads(int file, ulong seed, long size)
    {
        Random random = new((int)seed);
        byte[] buffer = new byte[200_000];
        for (int i = 0; i < 300; i++)
        {
            // One in eight begins behind the end or reaches over it.
            long offset = random.NextInt64(0, size + size / 8 + 1);
            int length = random.Next(0, buffer.Length);
            long expected = Math.Clamp(size - offset, 0, length);
            nint count;
            fixed (byte* at = buffer) count = Native.PRead(file, at, length, offset);
            if (count < 0) return Failed();
            if (count != expected) return $"wrong pread({length}, {offset}) gave {count}, not {expected}";
            if (Pattern.FirstDifference(buffer.AsSpan(0, (int)count), seed, offset) is >= 0 and long wrong) return $"wrong byte at {wrong}";
        }
        return "ok";
    }

    static string Mapped(int file, ulong seed, long size)
    {
        const int readable = 1, shared = 1;
        if (size == 0) return "ok";
        byte* map = (byte*)Native.MMap(null, (nuint)size, readable, shared, file, 0);
        if (map == (byte*)-1) return Failed();
        // Backwards first, in steps that read-ahead does not guess.
        for (long at = size - 1; at >= 0; at -= 77_777)
        {
            if (Pattern.FirstDifference(new ReadOnlySpan<byte>(map + at, 1), seed, at) >= 0) return $"wrong mapped byte at {at}";
        }
        for (long at = 0; at < size; at += 1 << 20)
        {
            int count = (int)Math.Min(1 << 20, size - at);
            if (Pattern.FirstDifference(new ReadOnlySpan<byte>(map + at, count), seed, at) is >= 0 and long wrong) return $"wrong mapped byte at {wrong}";
        }
        // The rest of the last page is zero.
        for (long at = size; at % 4096 != 0; at++)
        {
            if (map[at] != 0) return $"wrong byte behind the end at {at}";
        }
        Native.MUnmap(map, (nuint)size);
        return "ok";
    }

    static string Sent(int file, ulong seed, long size)
    {
        int memory = Native.MemFd("sent\0"u8.ToArray(), 0);
        long sent = 0;
        while (sent < size)
        {
            nint count = Native.SendFile(memory, file, null, (nint)Math.Min(1 << 20, size - sent));
            if (count < 0) return Failed();
            if (count == 0) break;
            sent += count;
        }
        Native.LSeek(memory, 0, 0);
        string answer = Sequential(memory, seed, size, 1 << 20);
        Native.Close(memory);
        return answer;
    }

    static string DirectReads(int file, ulong seed, long size)
    {
        byte* buffer = (byte*)NativeMemory.AlignedAlloc(1 << 20, 4096);
        Random random = new((int)seed);
        string answer = "ok";
        for (int i = 0; i < 40 && answer == "ok"; i++)
        {
            long offset = random.NextInt64(0, size / 4096 + 2) * 4096;
            int length = random.Next(1, 256) * 4096;
            long expected = Math.Clamp(size - offset, 0, length);
            nint count = Native.PRead(file, buffer, length, offset);
            if (count < 0) answer = Failed();
            else if (count != expected) answer = $"wrong direct pread({length}, {offset}) gave {count}, not {expected}";
            else if (Pattern.FirstDifference(new ReadOnlySpan<byte>(buffer, (int)count), seed, offset) is >= 0 and long wrong) answer = $"wrong byte at {wrong}";
        }
        NativeMemory.AlignedFree(buffer);
        return answer;
    }

    static string ReadErrno(byte[] path)
    {
        int file = Native.Open(path, Native.ReadOnly, 0);
        if (file < 0) return Failed();
        byte* buffer = stackalloc byte[4096];
        nint count = Native.Read(file, buffer, 4096);
        string answer = count < 0 ? Failed() : $"ok {count}";
        Native.Close(file);
        return answer;
    }

    static string Hold(string name, byte[] path)
    {
        int file = Native.Open(path, Native.ReadOnly, 0);
        if (file < 0) return Failed();
        Held[name] = file;
        return "ok";
    }

    static string PRead(int file, long offset, int length)
    {
        byte[] buffer = new byte[length];
        nint count;
        fixed (byte* at = buffer) count = Native.PRead(file, at, length, offset);
        return count < 0 ? Failed() : "ok " + Convert.ToHexString(buffer.AsSpan(0, (int)count));
    }

    static string Stat(string path)
    {
        FileSystemInfo info = Directory.Exists(path) ? new DirectoryInfo(path) : new FileInfo(path);
        if (!info.Exists) return "errno 2";
        long size = info is FileInfo file ? file.Length : -1;
        return $"ok {size} {info.LastWriteTimeUtc.Ticks} {(int)info.UnixFileMode}";
    }

    static string StatFs(string path)
    {
        DriveInfo drive = new(path);
        return $"ok {drive.TotalSize} {drive.TotalFreeSpace} {drive.AvailableFreeSpace}";
    }

    static string List(string path) =>
        "ok " + string.Join(' ', Directory.EnumerateFileSystemEntries(path, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 })
            .Select(entry => Uri.EscapeDataString(Path.GetRelativePath(path, entry))).Order(StringComparer.Ordinal));

    static string ReadLink(byte[] path)
    {
        byte[] buffer = new byte[4096];
        nint count = Native.ReadLink(path, buffer, (nuint)buffer.Length);
        return count < 0 ? Failed() : "ok " + Convert.ToHexString(buffer.AsSpan(0, (int)count));
    }

    static string Seek(byte[] path, long offset, int whence)
    {
        int file = Native.Open(path, Native.ReadOnly, 0);
        if (file < 0) return Failed();
        long at = Native.LSeek(file, offset, whence);
        string answer = at < 0 ? Failed() : $"ok {at}";
        Native.Close(file);
        return answer;
    }

    static string GetXattr(byte[] path, byte[] name)
    {
        nint size = Native.GetXattr(path, name, null, 0);
        if (size < 0) return Failed();
        byte[] value = new byte[size];
        nint count = Native.GetXattr(path, name, value, (nuint)size);
        if (size > 1 && Native.GetXattr(path, name, value, (nuint)size - 1) >= 0) return "wrong a short buffer was accepted";
        return count != size ? Failed() : "ok " + Convert.ToHexString(value);
    }

    static string ListXattr(byte[] path)
    {
        nint size = Native.ListXattr(path, null, 0);
        if (size < 0) return Failed();
        byte[] list = new byte[size];
        return Native.ListXattr(path, list, (nuint)size) != size ? Failed() : "ok " + Convert.ToHexString(list);
    }

    static string Ioctl(byte[] path, ulong value)
    {
        int file = Native.Open(path, Native.ReadOnly, 0);
        if (file < 0) return Failed();
        int result = Native.Ioctl(file, 0xC008_4401, &value);
        string answer = result < 0 ? Failed() : $"ok {result} {value}";
        Native.Close(file);
        return answer;
    }

    static string WriteErrno(string how, byte[] path)
    {
        byte[] other = [.. path.AsSpan(0, path.Length - 1), .. "-other\0"u8];
        return Status(how switch
        {
            "open" => Native.Open(path, Native.WriteOnly, 0),
            "create" => Native.Open(other, Native.WriteOnly | Native.Create, 0x1A4),
            "unlink" => Native.Unlink(path),
            "mkdir" => Native.MkDir(other, 0x1ED),
            "rmdir" => Native.RmDir(path),
            "rename" => Native.Rename(path, other),
            "link" => Native.Link(path, other),
            "symlink" => Native.SymLink(path, other),
            "chmod" => Native.ChMod(path, 0x1A4),
            "truncate" => Native.Truncate(path, 1),
            "setxattr" => Native.SetXattr(path, "user.x\0"u8.ToArray(), [1], 1, 0),
            "access" => Native.Access(path, 2),
            _ => throw new ArgumentException($"No such way to write: {how}"),
        });
    }

    /// <summary>Opens, reads and closes the files "file0" to "file9" of a directory again and again.</summary>
    static string OpenReadStat(string directory, int count)
    {
        byte[][] files = [.. Enumerable.Range(0, 10).Select(index => Terminated($"{directory}/file{index}"))];
        byte* buffer = stackalloc byte[4096];
        for (int i = 0; i < count; i++)
        {
            byte[] path = files[i % files.Length];
            int file = Native.Open(path, Native.ReadOnly, 0);
            if (file < 0 || Native.PRead(file, buffer, 4096, i % 20 * 4096) < 0 || Native.LSeek(file, 0, 2) < 0) return Failed();
            Native.Close(file);
            if (Native.Access(path, 4) < 0) return Failed();
        }
        return $"ok {count}";
    }

    /// <summary>Opens and reads random files of a directory until one fails.</summary>
    static string Spin(string directory, int threads)
    {
        byte[][] files = [.. Directory.GetFiles(directory).Select(Terminated)];
        long reads = 0;
        int errno = 0;
        Thread[] all = [.. Enumerable.Range(0, threads).Select(index => new Thread(() =>
        {
            Random random = new(index);
            byte* buffer = stackalloc byte[4096];
            while (Volatile.Read(ref errno) == 0)
            {
                int file = Native.Open(files[random.Next(files.Length)], Native.ReadOnly, 0);
                nint count = file < 0 ? file : Native.PRead(file, buffer, 4096, 0);
                if (count < 0) Interlocked.CompareExchange(ref errno, Marshal.GetLastPInvokeError(), 0);
                else Interlocked.Increment(ref reads);
                if (file >= 0) Native.Close(file);
            }
        }))];
        foreach (Thread thread in all) thread.Start();
        foreach (Thread thread in all) thread.Join();
        return $"ok {reads} {errno}";
    }

    static string Status(int result) => result < 0 ? Failed() : "ok";

    static string Failed() => $"errno {Marshal.GetLastPInvokeError()}";

    static string Text(string word) => Uri.UnescapeDataString(word);

    static byte[] Terminated(string path) => Encoding.UTF8.GetBytes(path + "\0");

    /// <summary>Percent-decoding to bytes, with a final NUL.</summary>
    static byte[] Bytes(string word)
    {
        List<byte> bytes = [];
        for (int i = 0; i < word.Length; i++)
        {
            if (word[i] != '%')
            {
                bytes.Add((byte)word[i]);
                continue;
            }
            bytes.Add(Convert.ToByte(word.Substring(i + 1, 2), 16));
            i += 2;
        }
        bytes.Add(0);
        return [.. bytes];
    }
}
