using System.Runtime.InteropServices;
using System.Text;
using DataLayer.EndToEndBenchmarks.Data;

namespace DataLayer.EndToEndBenchmarks.Reading;

/// <summary>
/// One large file read in one of several ways by one process. Every way checks a word per page; that costs about 1 ns per
/// 4 KiB, below what any filesystem here needs for the page.
/// </summary>
internal sealed unsafe class LargeFile(ReaderJob job)
{
    private const int PageBytes = 4096;
    // What cp and most loaders use: larger buffers leave the second-level cache and measure memory instead.
    private const int ReadBytes = 256 << 10;
    private const int ScatterBytes = 64 << 10;
    private readonly byte* _buffer = (byte*)NativeMemory.AlignedAlloc(ReadBytes, PageBytes);
    private byte[] _path = [];
    private long _size;
    private int[] _order = [];

    internal long Bytes { get; private set; }
    internal string Error { get; private set; } = "";

    /// <summary>What must not be on the clock: names, orders, and the first touch of the buffer.</summary>
    internal LargeFile Prepare()
    {
        using var index = new DatasetIndex(job.Index);
        _path = [.. Encoding.UTF8.GetBytes(job.Root + "/"), .. index.Key(0), 0];
        _size = index[0].Size;
        if (_size % ReadBytes != 0) throw new InvalidDataException($"the large file must be a multiple of {ReadBytes} bytes");
        int unit = job.Mode == ReaderMode.Scattered ? ScatterBytes : PageBytes;
        if (job.Mode is ReaderMode.Scattered or ReaderMode.MappedScattered)
            _order = Permutation.Of((int)(_size / unit), job.Seed)[..(int)(_size / unit / 4)];
        new Span<byte>(_buffer, ReadBytes).Clear();
        return this;
    }

    internal void Run()
    {
        int fd;
        fixed (byte* path = _path) fd = Libc.open(path, Libc.O_RDONLY | Libc.O_CLOEXEC, 0);
        if (fd < 0)
        {
            Error = Libc.Failure("open").Message;
            return;
        }

        switch (job.Mode)
        {
            case ReaderMode.Sequential: ReadThrough(fd, everyByte: false); break;
            case ReaderMode.VerifiedSequential: ReadThrough(fd, everyByte: true); break;
            case ReaderMode.Scattered: ReadScattered(fd); break;
            case ReaderMode.Mapped: Touch(fd, scattered: false); break;
            case ReaderMode.MappedScattered: Touch(fd, scattered: true); break;
            default: throw new InvalidOperationException($"{job.Mode} is not a way to read a large file");
        }

        Libc.close(fd);
    }

    private void ReadThrough(int fd, bool everyByte)
    {
        while (Error.Length == 0)
        {
            nint got = Libc.read(fd, _buffer, ReadBytes);
            if (got < 0) Error = Libc.Failure("read").Message;
            if (got <= 0) break;
            Check((int)got, Bytes, everyByte);
            Bytes += got;
        }

        if (Bytes != _size && Error.Length == 0) Error = $"{Bytes} bytes instead of {_size}";
    }

    private void ReadScattered(int fd)
    {
        foreach (int piece in _order)
        {
            long offset = (long)piece * ScatterBytes;
            nint got = Libc.pread(fd, _buffer, ScatterBytes, offset);
            if (got != ScatterBytes) Error = got < 0 ? Libc.Failure("pread").Message : $"short read at {offset}";
            if (Error.Length > 0) return;
            Check(ScatterBytes, offset, everyByte: false);
            Bytes += got;
        }
    }

    private void Touch(int fd, bool scattered)
    {
        void* mapped = Libc.mmap(null, (nuint)_size, Libc.PROT_READ, Libc.MAP_SHARED, fd, 0);
        if ((nint)mapped == -1)
        {
            Error = Libc.Failure("mmap").Message;
            return;
        }

        int pages = scattered ? _order.Length : (int)(_size / PageBytes);
        if (scattered) _ = Libc.madvise(mapped, (nuint)_size, Libc.MADV_RANDOM);
        for (int i = 0; i < pages; i++)
        {
            long offset = (long)(scattered ? _order[i] : i) * PageBytes;
            // Safe: offset lies within the mapping of _size bytes; a file cut short meanwhile ends this process by
            // SIGBUS, which the pool reports as a dead reader.
            if (*(ulong*)((byte*)mapped + offset) != Content.Word(Dataset.SeedOf(0), (ulong)offset / sizeof(ulong)))
            {
                Error = $"wrong bytes at {offset}";
                break;
            }

            Bytes += PageBytes;
        }

        Libc.munmap(mapped, (nuint)_size);
    }

    private void Check(int length, long offset, bool everyByte)
    {
        ulong seed = Dataset.SeedOf(0);
        bool good = true;
        if (everyByte)
        {
            // Only the end of a regular file may cut a read short, and it is a multiple of the buffer: any other is a mismatch.
            good = Content.Matches(new ReadOnlySpan<byte>(_buffer, length), seed, offset);
        }
        else
        {
            for (int at = 0; at + sizeof(ulong) <= length; at += PageBytes)
                good &= *(ulong*)(_buffer + at) == Content.Word(seed, (ulong)(offset + at) / sizeof(ulong));
        }

        if (!good) Error = $"wrong bytes in {length} bytes at {offset}";
    }
}
