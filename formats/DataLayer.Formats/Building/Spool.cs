using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Formats;

/// <summary>
/// Bytes appended once and then read from the beginning, any number of times, even while more is appended. The last
/// 256 KiB are in memory, what came before in a temporary file. Not for concurrent use.
/// </summary>
internal sealed class Spool(TempFiles temp) : IDisposable
{
    // Large enough that a write costs nothing beside filling it, small enough for the two dozen spools of a build.
    const int MaxBuffer = 1 << 18;

    byte[] _buffer = new byte[1 << 10];
    int _used;
    long _flushed;
    SafeFileHandle? _file;

    internal long Length => _flushed + _used;

    internal void Append(scoped ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_used == _buffer.Length) MakeRoom();
            int count = Math.Min(bytes.Length, _buffer.Length - _used);
            bytes[..count].CopyTo(_buffer.AsSpan(_used));
            _used += count;
            bytes = bytes[count..];
        }
    }

    internal void Append(uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        Append(bytes);
    }

    internal void Append(ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        Append(bytes);
    }

    /// <summary>Changes eight bytes appended before.</summary>
    internal void Overwrite(long position, ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        int inFile = (int)Math.Clamp(_flushed - position, 0, bytes.Length);
        if (inFile > 0) RandomAccess.Write(_file!, bytes[..inFile], position);
        bytes[inFile..].CopyTo(_buffer.AsSpan((int)Math.Max(0, position - _flushed)));
    }

    void MakeRoom()
    {
        if (_buffer.Length < MaxBuffer)
        {
            Array.Resize(ref _buffer, _buffer.Length * 4);
            return;
        }
        Flush();
    }

    void Flush()
    {
        _file ??= temp.Create();
        RandomAccess.Write(_file, _buffer.AsSpan(0, _used), _flushed);
        _flushed += _used;
        _used = 0;
    }

    /// <summary>Writes out all and gives the buffer up: for one of many spools, when nothing will be appended any more.</summary>
    internal void Seal()
    {
        Flush();
        _buffer = [];
    }

    int Read(long position, Span<byte> destination)
    {
        if (position >= _flushed)
        {
            ReadOnlySpan<byte> rest = _buffer.AsSpan((int)(position - _flushed), (int)(Length - position));
            int count = Math.Min(rest.Length, destination.Length);
            rest[..count].CopyTo(destination);
            return count;
        }
        int read = RandomAccess.Read(_file!, destination[..(int)Math.Min(destination.Length, _flushed - position)], position);
        return read > 0 ? read : throw new EndOfStreamException("A temporary file of the build was truncated.");
    }

    internal Cursor Open(long position = 0) => new(this, position);

    public void Dispose() => _file?.Dispose();

    /// <summary>One forward walk over a spool.</summary>
    internal sealed class Cursor(Spool spool, long position)
    {
        byte[] _ahead = [];
        int _from;
        int _to;

        /// <summary>Offset of the next byte.</summary>
        internal long Position { get; private set; } = position;

        internal bool AtEnd => Position == spool.Length;

        /// <summary>The next bytes; valid until the next call. The caller knows that so many are there.</summary>
        internal ReadOnlySpan<byte> Take(int count)
        {
            if (_to - _from < count) Fill(count);
            ReadOnlySpan<byte> bytes = _ahead.AsSpan(_from, count);
            _from += count;
            Position += count;
            return bytes;
        }

        /// <summary>The int that comes next, not taken.</summary>
        internal int PeekInt32()
        {
            if (_to - _from < 4) Fill(4);
            return BinaryPrimitives.ReadInt32LittleEndian(_ahead.AsSpan(_from));
        }

        internal uint TakeUInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));
        internal ulong TakeUInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

        /// <summary>As many bytes as are at hand, at most <paramref name="limit"/>; at least one before the end.</summary>
        internal ReadOnlySpan<byte> TakeSome(int limit)
        {
            if (AtEnd) return default;
            if (_to == _from) Fill(1);
            return Take(Math.Min(limit, _to - _from));
        }

        void Fill(int count)
        {
            int kept = _to - _from;
            int size = Math.Max(count, (int)Math.Min(1 << 16, spool.Length - Position));
            if (_ahead.Length < size)
            {
                byte[] larger = new byte[size];
                _ahead.AsSpan(_from, kept).CopyTo(larger);
                _ahead = larger;
            }
            else
            {
                _ahead.AsSpan(_from, kept).CopyTo(_ahead);
            }
            _from = 0;
            _to = kept;
            while (_to < count || (_to < _ahead.Length && Position + _to < spool.Length))
            {
                if (Position + _to >= spool.Length) throw new EndOfStreamException("A temporary file of the build is shorter than what was written.");
                _to += spool.Read(Position + _to, _ahead.AsSpan(_to));
            }
        }
    }
}
