using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using DataLayer.Fuse;

namespace DataLayer.Microbenchmarks;

/// <summary>
/// What the protocol layer costs per request, without the kernel: decode, dispatch, answer. Whole round trips through the
/// kernel are measured by <c>DataLayer.TestReader bench FILES SIZE ROUNDS</c>.
/// </summary>
[MemoryDiagnoser]
public class FuseBenchmarks
{
    static readonly byte[] Content = new byte[128 << 10];

    readonly NullWorker _worker = new(new EmptyFileSystem());
    readonly byte[] _lookup = Message(FuseOpcode.Lookup, "a-name-of-20-bytes-x\0"u8.ToArray());
    readonly byte[] _getAttr = Message(FuseOpcode.GetAttr, new byte[16]);
    readonly byte[] _read = Message(FuseOpcode.Read, Bytes(new FuseReadIn { Size = 4096 }));
    readonly byte[] _readDir = Message(FuseOpcode.ReadDirPlus, Bytes(new FuseReadIn { Size = 4096 }));
    readonly byte[] _forget = Message(FuseOpcode.BatchForget, [.. Bytes(new FuseBatchForgetIn { Count = 500 }), .. new byte[500 * 16]]);

    [Benchmark]
    public void Lookup() => _worker.Receive(_lookup);

    [Benchmark]
    public void GetAttr() => _worker.Receive(_getAttr);

    [Benchmark]
    public void Read4K() => _worker.Receive(_read);

    /// <summary>One answer of 4 KiB: 23 entries.</summary>
    [Benchmark]
    public void ReadDirPlus() => _worker.Receive(_readDir);

    [Benchmark]
    public void Forget500() => _worker.Receive(_forget);

    static byte[] Message(FuseOpcode opcode, byte[] body)
    {
        FuseInHeader header = new() { Len = (uint)(FuseInHeader.Size + body.Length), Opcode = (uint)opcode, Unique = 2, NodeId = 1 };
        return [.. Bytes(header), .. body];
    }

    static byte[] Bytes<T>(T value) where T : unmanaged => MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)).ToArray();

    /// <summary>Answers go nowhere.</summary>
    sealed class NullWorker(IFuseFileSystem files)
        : FuseWorker(new FuseSession(files, new FuseNegotiation(45, 45, FuseFeatures.None, 1 << 20, 131072), new FuseOptions()), 0)
    {
        readonly byte[] _scratch = new byte[1 << 20];

        public override Memory<byte> Scratch(FuseRequest request, int size) => _scratch;

        protected override Errno Transmit(ulong unique, int ringEntry, Errno error, ReadOnlySpan<byte> head, ReadOnlySpan<byte> data) => Errno.None;
    }

    /// <summary>Answers at no cost of its own.</summary>
    sealed class EmptyFileSystem : IFuseFileSystem
    {
        public void Lookup(FuseRequest request, FuseNodeId parent, ReadOnlySpan<byte> name) => request.ReplyEntry(new FuseEntryOut { NodeId = new(2) });

        public void Forget(FuseNodeId node, ulong lookups) { }

        public void GetAttr(FuseRequest request, FuseNodeId node, FuseHandle? handle) => request.ReplyAttr(default);

        public void ReadLink(FuseRequest request, FuseNodeId node) => request.ReplyData("target"u8);

        public void Open(FuseRequest request, FuseNodeId node, uint flags) => request.ReplyError(Errno.ENOSYS);

        public void Read(FuseRequest request, FuseNodeId node, FuseHandle handle, ulong offset, int size) => request.ReplyData(Content.AsSpan(0, size));

        public void ReadDir(FuseRequest request, FuseNodeId node, FuseHandle handle, ulong offset, int size, bool plus)
        {
            FuseDirectoryWriter entries = new(request, size);
            while (entries.TryAddPlus("a-name-of-20-bytes-x"u8, new FuseEntryOut { NodeId = new(2) }, 1)) { }
            request.ReplyDirectory(entries);
        }

        public void StatFs(FuseRequest request, FuseNodeId node) => request.ReplyStatFs(default);
    }
}
