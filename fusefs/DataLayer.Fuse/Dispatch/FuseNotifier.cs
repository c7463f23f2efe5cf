using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary>Writes notifications: messages that we begin. Thread-safe; the kernel works on each before the call returns.</summary>
sealed class FuseNotifier(FuseDevice device, FuseNegotiation negotiation)
{
    /// <summary>NAME_MAX; the kernel refuses more than its FUSE_NAME_MAX, which is at least this.</summary>
    const int LongestName = 255;

    public Errno InvalidateInode(FuseNodeId node, long offset, long length) =>
        Notify(FuseNotifyCode.InvalInode, new FuseNotifyInvalInodeOut { Ino = node, Off = offset, Len = length }, default);

    public Errno InvalidateEntry(FuseNodeId parent, ReadOnlySpan<byte> name, bool expireOnly)
    {
        // Before 7.38 the flag is padding and the kernel drops the entry: stronger, and still right.
        uint flags = expireOnly && negotiation.Has(FuseFeatures.HasExpireOnly) ? FuseNotifyInvalEntryOut.ExpireOnly : 0;
        return NotifyName(FuseNotifyCode.InvalEntry, new FuseNotifyInvalEntryOut { Parent = parent, NameLen = (uint)name.Length, Flags = flags }, name);
    }

    public Errno Delete(FuseNodeId parent, FuseNodeId child, ReadOnlySpan<byte> name) =>
        NotifyName(FuseNotifyCode.Delete, new FuseNotifyDeleteOut { Parent = parent, Child = child, NameLen = (uint)name.Length }, name);

    public Errno Store(FuseNodeId node, ulong offset, ReadOnlySpan<byte> data) =>
        Notify(FuseNotifyCode.Store, new FuseNotifyStoreOut { NodeId = node, Offset = offset, Size = (uint)data.Length }, data);

    public Errno IncrementEpoch() => negotiation.HasEpoch ? Notify(FuseNotifyCode.IncEpoch) : Errno.ENOSYS;

    public Errno Resend() => negotiation.Has(FuseFeatures.HasResend) ? Notify(FuseNotifyCode.Resend) : Errno.ENOSYS;

    Errno NotifyName<T>(FuseNotifyCode code, in T head, ReadOnlySpan<byte> name) where T : unmanaged
    {
        if (name.Length > LongestName) return Errno.ENAMETOOLONG;
        Span<byte> terminated = stackalloc byte[LongestName + 1];
        name.CopyTo(terminated);
        terminated[name.Length] = 0;
        return Notify(code, head, terminated[..(name.Length + 1)]);
    }

    Errno Notify<T>(FuseNotifyCode code, in T head, ReadOnlySpan<byte> data) where T : unmanaged =>
        Write(code, MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in head)), data);

    Errno Notify(FuseNotifyCode code) => Write(code, default, default);

    Errno Write(FuseNotifyCode code, ReadOnlySpan<byte> head, ReadOnlySpan<byte> data)
    {
        FuseOutHeader header = new() { Len = (uint)(FuseOutHeader.Size + head.Length + data.Length), Error = (int)code };
        return device.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<FuseOutHeader>(in header)), head, data);
    }
}
