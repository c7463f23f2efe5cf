using System.Runtime.InteropServices;

namespace DataLayer.Fuse.Tests;

/// <summary>Requests as the kernel writes them.</summary>
static class KernelMessage
{
    public static byte[] Create(FuseOpcode opcode, ulong unique, ulong node, ReadOnlySpan<byte> body)
    {
        byte[] message = new byte[FuseInHeader.Size + body.Length];
        FuseInHeader header = new()
        {
            Len = (uint)message.Length,
            Opcode = (uint)opcode,
            Unique = unique,
            NodeId = node,
            Uid = 1000,
            Gid = 1001,
            Pid = 1002,
        };
        MemoryMarshal.Write(message, in header);
        body.CopyTo(message.AsSpan(FuseInHeader.Size));
        return message;
    }

    public static byte[] Create<T>(FuseOpcode opcode, ulong unique, ulong node, T arguments, ReadOnlySpan<byte> rest = default) where T : unmanaged =>
        Create(opcode, unique, node, [.. MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in arguments)), .. rest]);
}
