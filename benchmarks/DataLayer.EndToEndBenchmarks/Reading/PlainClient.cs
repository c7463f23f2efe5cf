using System.Buffers.Text;
using System.Diagnostics;
using System.Net;
using System.Runtime.InteropServices;
using DataLayer.EndToEndBenchmarks.Data;
using DataLayer.EndToEndBenchmarks.Server;
using DataLayer.Formats;

namespace DataLayer.EndToEndBenchmarks.Reading;

/// <summary>
/// Fetches every object of a data set over a number of plain HTTP connections, one request at a time on each, and checks
/// the bytes: the ceiling that a cold epoch is compared with. One thread, no object per request.
/// </summary>
internal sealed unsafe class PlainClient : IDisposable
{
    private const int BufferBytes = 256 << 10;
    private readonly Dataset _dataset;
    private readonly byte[] _target;
    private readonly int[] _order;
    private readonly long _sliceBytes;
    private readonly Epoll _epoll = new();
    private readonly byte* _buffer = (byte*)NativeMemory.Alloc(BufferBytes);
    private readonly Dictionary<int, Fetch> _fetches = [];
    private int _next;
    private long _nextOffset;
    private long _bytes;
    private int _requests;

    /// <param name="order">Indices of the objects, in the order of fetching.</param>
    /// <param name="sliceBytes">Larger objects are fetched in ranges of this length; 0 fetches each whole and checks its CRC.</param>
    internal PlainClient(Dataset dataset, string bucket, int port, int connections, int[] order, long sliceBytes)
    {
        _dataset = dataset;
        _order = order;
        _sliceBytes = sliceBytes;
        _target = System.Text.Encoding.ASCII.GetBytes($"GET /{bucket}/{dataset.Spec.Name}/");
        var address = new Libc.SockAddrIn
        {
            Family = Libc.AF_INET,
            Port = (ushort)IPAddress.HostToNetworkOrder((short)port),
            Address = (uint)IPAddress.HostToNetworkOrder(0x7F000001),
        };
        for (int i = 0; i < connections; i++)
        {
            int fd = Libc.socket(Libc.AF_INET, Libc.SOCK_STREAM | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC, 0);
            if (fd < 0) throw Libc.Failure("socket");
            if (Libc.connect(fd, &address, (uint)sizeof(Libc.SockAddrIn)) < 0 && Marshal.GetLastPInvokeError() != Libc.EINPROGRESS)
                throw Libc.Failure($"cannot connect to 127.0.0.1:{port}");
            _fetches.Add(fd, new Fetch());
            _epoll.Watch(fd);
        }
    }

    /// <summary>Fetches everything.</summary>
    /// <exception cref="InvalidDataException">An answer was not what was asked for.</exception>
    internal (TimeSpan Elapsed, int Requests, long Bytes) Run()
    {
        long start = Stopwatch.GetTimestamp();
        int idle = 0;
        while (idle < _fetches.Count)
        {
            int count = _epoll.Wait(60_000_000_000);
            if (count == 0) throw new InvalidDataException("the server sent nothing for 60 s");
            for (int i = 0; i < count; i++)
            {
                (int fd, uint ready) = _epoll[i];
                if ((ready & (Epoll.Error | Epoll.HangUp)) != 0) throw new InvalidDataException("the server closed a connection");
                Fetch fetch = _fetches[fd];
                if (fetch.Index < 0 && !fetch.Finished && !Begin(fd, fetch)) idle++;
                if ((ready & Epoll.In) != 0 && !Receive(fd, fetch)) idle++;
            }
        }

        return (Stopwatch.GetElapsedTime(start), _requests, _bytes);
    }

    public void Dispose()
    {
        foreach (int fd in _fetches.Keys) Libc.close(fd);
        _epoll.Dispose();
        NativeMemory.Free(_buffer);
    }

    /// <summary>Sends the next request on a connection. False: none is left.</summary>
    private bool Begin(int fd, Fetch fetch)
    {
        if (_next == _order.Length)
        {
            fetch.Finished = true;
            fetch.Index = -1;
            return false;
        }

        int index = _order[_next];
        long size = _dataset.Index[index].Size;
        long length = _sliceBytes == 0 ? size : Math.Min(_sliceBytes, size - _nextOffset);
        Span<byte> request = new(_buffer, BufferBytes);
        int at = 0;
        Append(request, ref at, _target);
        Append(request, ref at, _dataset.Index.Key(index));
        Append(request, ref at, " HTTP/1.1\r\nHost: 127.0.0.1\r\n"u8);
        if (_sliceBytes > 0)
        {
            Append(request, ref at, "Range: bytes="u8);
            AppendNumber(request, ref at, _nextOffset);
            Append(request, ref at, "-"u8);
            AppendNumber(request, ref at, _nextOffset + length - 1);
            Append(request, ref at, "\r\n"u8);
        }

        Append(request, ref at, "\r\n"u8);
        // Safe: the request lies in the buffer. A request of some 100 bytes always fits into an idle socket's buffer.
        if (Libc.send(fd, _buffer, (nuint)at, Libc.MSG_NOSIGNAL) != at) throw Libc.Failure("cannot send a request");
        fetch.Index = index;
        fetch.Left = -1;
        fetch.Expected = length;
        fetch.Crc = 0;
        _requests++;
        _nextOffset += length;
        if (_nextOffset >= size)
        {
            _next++;
            _nextOffset = 0;
        }

        return true;
    }

    /// <summary>Takes what came. False: the connection has nothing more to fetch.</summary>
    private bool Receive(int fd, Fetch fetch)
    {
        while (true)
        {
            // Safe: at most the buffer's length is written.
            nint got = Libc.recv(fd, _buffer, BufferBytes, 0);
            if (got == 0) throw new InvalidDataException("the server closed a connection");
            if (got < 0) return Marshal.GetLastPInvokeError() == Libc.EAGAIN ? true : throw Libc.Failure("recv");
            ReadOnlySpan<byte> data = new(_buffer, (int)got);
            if (fetch.Left < 0) data = TakeHead(fetch, data);
            if (_sliceBytes == 0) fetch.Crc = Crc32C.Compute(data, fetch.Crc);
            fetch.Left -= data.Length;
            _bytes += data.Length;
            if (fetch.Left == 0)
            {
                if (_sliceBytes == 0 && fetch.Crc != _dataset.Index[fetch.Index].Crc)
                    throw new InvalidDataException($"wrong bytes in {_dataset.Spec.PathOf(fetch.Index)}");
                if (!Begin(fd, fetch)) return false;
            }

            // A short read has emptied the socket; what comes later raises a new event.
            if (got < BufferBytes) return true;
        }
    }

    private static ReadOnlySpan<byte> TakeHead(Fetch fetch, ReadOnlySpan<byte> data)
    {
        int end = data.IndexOf("\r\n\r\n"u8);
        int field = data.IndexOf("Content-Length: "u8);
        if (end < 0 || field < 0 || !data.StartsWith("HTTP/1.1 20"u8) ||
            !Utf8Parser.TryParse(data[(field + 16)..], out long length, out _) || length != fetch.Expected)
        {
            throw new InvalidDataException($"unexpected answer: {System.Text.Encoding.ASCII.GetString(data[..Math.Min(200, data.Length)])}");
        }

        fetch.Left = length;
        return data[(end + 4)..];
    }

    private static void Append(Span<byte> target, ref int at, ReadOnlySpan<byte> text)
    {
        text.CopyTo(target[at..]);
        at += text.Length;
    }

    private static void AppendNumber(Span<byte> target, ref int at, long number)
    {
        Utf8Formatter.TryFormat(number, target[at..], out int written);
        at += written;
    }

    /// <summary>What one connection is receiving; <see cref="Left"/> is -1 before the head.</summary>
    private sealed class Fetch
    {
        internal int Index = -1;
        internal long Left = -1, Expected;
        internal uint Crc;
        internal bool Finished;
    }
}
