using System.Buffers.Text;
using System.Runtime.InteropServices;
using System.Text;

namespace DataLayer.Sources.Nfs;

/// <summary>
/// Version 4 names owners by text: either the number itself ("1000", what servers use with AUTH_SYS by default) or
/// "name@domain" (RFC 7530, section 5.9), which is looked up among this machine's users, as the kernel's client does. The
/// domain is not compared. Safe for concurrent use.
/// </summary>
internal sealed unsafe partial class NfsOwners
{
    /// <summary>More names than an organisation has; hostile ones beyond it are looked up each time.</summary>
    const int NameLimit = 10_000;

    readonly Lock _sync = new();
    readonly Dictionary<byte[], long> _users = new(ByteKeyComparer.Instance);
    readonly Dictionary<byte[], long> _groups = new(ByteKeyComparer.Instance);

    /// <returns>-1 for a name that this machine does not know.</returns>
    public long User(ReadOnlySpan<byte> owner) => Find(owner, _users, isGroup: false);

    public long Group(ReadOnlySpan<byte> owner) => Find(owner, _groups, isGroup: true);

    long Find(ReadOnlySpan<byte> owner, Dictionary<byte[], long> known, bool isGroup)
    {
        if (Utf8Parser.TryParse(owner, out uint number, out int length) && length == owner.Length) return number;
        var names = known.GetAlternateLookup<ReadOnlySpan<byte>>();
        lock (_sync)
        {
            if (names.TryGetValue(owner, out long id)) return id;
        }
        int at = owner.IndexOf((byte)'@');
        string name = Encoding.UTF8.GetString(at < 0 ? owner : owner[..at]);
        long found = name.Length == 0 || name.Contains('\0') ? -1 : Ask(name, isGroup);
        lock (_sync)
        {
            if (known.Count < NameLimit) names[owner] = found;
        }
        return found;
    }

    static long Ask(string name, bool isGroup)
    {
        // struct passwd: two pointers, then uid; struct group: two pointers, then gid (pwd.h, grp.h; 64-bit).
        const int IdAt = 16, EntrySize = 64;
        byte* entry = stackalloc byte[EntrySize];
        byte[] buffer = new byte[64 * 1024];
        nint result;
        int error;
        // Safety: the entry is larger than either struct; the buffer is pinned and given with its length.
        fixed (byte* p = buffer)
            error = isGroup ? getgrnam_r(name, entry, p, (nuint)buffer.Length, &result) : getpwnam_r(name, entry, p, (nuint)buffer.Length, &result);
        return error != 0 || result == 0 ? -1 : *(uint*)(entry + IdAt);
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int getpwnam_r(string name, byte* entry, byte* buffer, nuint size, nint* result);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int getgrnam_r(string name, byte* entry, byte* buffer, nuint size, nint* result);
}
