using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;
using DataLayer.EndToEndBenchmarks.Data;
using DataLayer.Formats;

namespace DataLayer.EndToEndBenchmarks.Reading;

/// <summary>
/// The files one reader process reads in an epoch: paths as NUL-terminated bytes end to end, in order, prepared before the
/// clock starts, so that per file only open, read and close (and the checksum) remain.
/// </summary>
internal sealed unsafe class WholeFiles
{
    // Above the largest file of the sets made of many files, so that one short read tells its end.
    private const int BufferBytes = (1 << 20) + 4096;
    private static readonly byte* Buffer = (byte*)NativeMemory.AlignedAlloc(BufferBytes, 4096);
    private readonly byte[] _paths;
    private readonly int[] _starts;
    private readonly long[] _sizes;
    private readonly uint[] _checksums;

    internal WholeFiles(ReaderJob job)
    {
        using var index = new DatasetIndex(job.Index);
        int[] order = Permutation.Of(index.Count, job.Seed);
        int count = (order.Length - job.Reader + job.Readers - 1) / job.Readers;
        byte[] root = Encoding.UTF8.GetBytes(job.Root + "/");
        var paths = new MemoryStream();
        _starts = new int[count];
        _sizes = new long[count];
        _checksums = new uint[count];
        for (int i = 0; i < count; i++)
        {
            int file = order[job.Reader + (i * job.Readers)];
            _starts[i] = (int)paths.Length;
            _sizes[i] = index[file].Size;
            _checksums[i] = index[file].Crc;
            paths.Write(root);
            paths.Write(index.Key(file));
            paths.WriteByte(0);
        }

        _paths = paths.ToArray();
        // The first use of memory is not part of the epoch.
        new Span<byte>(Buffer, BufferBytes).Clear();
    }

    internal int Count => _starts.Length;
    internal long Bytes { get; private set; }
    internal long Errors { get; private set; }
    internal string FirstError { get; private set; } = "";

    /// <summary>Reads every file once.</summary>
    internal void ReadAll(bool verify)
    {
        // Safe: every start is the first byte of a NUL-terminated path inside the array.
        fixed (byte* paths = _paths)
        {
            for (int i = 0; i < _starts.Length; i++)
            {
                string? error = ReadOne(paths + _starts[i], _sizes[i], _checksums[i], verify);
                if (error is not null) Note(i, error);
            }
        }
    }

    /// <summary>Reads the first file as soon as it can be opened.</summary>
    internal void ReadFirst(TimeSpan limit)
    {
        long deadline = Environment.TickCount64 + (long)limit.TotalMilliseconds;
        fixed (byte* paths = _paths)
        {
            int fd;
            // 0.2 ms is far below what is measured (process start to first byte), and leaves the processor to the mount.
            while ((fd = Libc.open(paths, Libc.O_RDONLY | Libc.O_CLOEXEC, 0)) < 0 && Environment.TickCount64 < deadline)
                Thread.Sleep(TimeSpan.FromMilliseconds(0.2));
            if (fd >= 0) Libc.close(fd);
            string? error = ReadOne(paths, _sizes[0], _checksums[0], verify: true);
            if (error is not null) Note(0, error);
        }
    }

    private string? ReadOne(byte* path, long size, uint checksum, bool verify)
    {
        int fd = Libc.open(path, Libc.O_RDONLY | Libc.O_CLOEXEC, 0);
        if (fd < 0) return "open: " + new Win32Exception(Marshal.GetLastPInvokeError()).Message;
        long done = 0;
        uint crc = 0;
        nint got;
        do
        {
            // Safe: at most the buffer's length is written.
            got = Libc.read(fd, Buffer, BufferBytes);
            if (got < 0)
            {
                string error = new Win32Exception(Marshal.GetLastPInvokeError()).Message;
                Libc.close(fd);
                return "read: " + error;
            }

            if (verify) crc = Crc32C.Compute(new ReadOnlySpan<byte>(Buffer, (int)got), crc);
            done += got;
        }
        while (got == BufferBytes);

        Libc.close(fd);
        Bytes += done;
        if (done != size) return $"{done} bytes instead of {size}";
        return verify && crc != checksum ? "wrong bytes" : null;
    }

    private void Note(int file, string error)
    {
        if (Errors++ > 0) return;
        ReadOnlySpan<byte> path = _paths.AsSpan(_starts[file]);
        FirstError = Encoding.UTF8.GetString(path[..path.IndexOf((byte)0)]) + ": " + error;
    }
}
