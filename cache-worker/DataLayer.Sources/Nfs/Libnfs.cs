using System.Runtime.InteropServices;
using DataLayer.Formats;

namespace DataLayer.Sources.Nfs;

/// <summary>
/// The part of libnfs 4.0 (Debian: libnfs13) that carries remote procedure calls: connections, record marking, transaction
/// ids, credentials. A context belongs to one thread. The calls' arguments and results are written and read by
/// <see cref="XdrWriter"/> and <see cref="XdrReader"/>: libnfs 4.0's own decoders multiply and add lengths from the server
/// in 32 bits without a check (lib/libnfs-zdr.c: zdr_array, zdr_string) and recurse once per directory entry, so a hostile
/// server could make them write outside their buffers. Its synchronous calls are not used either: when one gives up, a
/// later reply or the end of the context writes to the stack frame that is gone.
/// </summary>
internal static unsafe partial class Libnfs
{
    public const string Library = "libnfs.so.13";

    public const int StatusSuccess = 0, StatusError = 1;

    /// <summary>Bytes of one read at most. Larger ones gain nothing (measured from 1 MiB up), and cost buffers.</summary>
    public const int MaxTransfer = 1 << 20;

    /// <summary>ZDR_ENCODEBUF_MINSIZE: room for a call's header and arguments.</summary>
    const int EncodeBuffer = 4096;

    /// <summary>
    /// struct rpc_pdu { next; u32 xid; ZDR zdr; … } of include/libnfs-private.h. Not part of the public headers, so
    /// <see cref="Require"/> checks it once against a call it knows.
    /// </summary>
    const int PduXid = 8, PduZdr = 16;

    /// <summary>struct ZDR of nfsc/libnfs-zdr.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Zdr
    {
        public int Op;
        public byte* Buffer;
        public int Size;
        public int Position;
        public void* Memory;
    }

    static readonly Lock Sync = new();
    static bool s_checked;

    public static Zdr* ZdrOf(nint pdu) => (Zdr*)(pdu + PduZdr);

    /// <summary>Loads the library and checks that it is the one whose layouts are used here.</summary>
    /// <exception cref="SourceException">Misconfigured.</exception>
    public static void Require(string library = Library)
    {
        lock (Sync)
        {
            if (s_checked && library == Library) return;
            if (!NativeLibrary.TryLoad(library, out _))
                throw new SourceException(SourceFault.Misconfigured, $"nfs:// sources need the library {library}, which is not installed here; install it (Debian: apt install libnfs13).");
            if (!IsLayoutKnown())
                throw new SourceException(SourceFault.Misconfigured, $"The installed {library} is not libnfs 4.0; install Debian's libnfs13 4.0.0.");
            s_checked = true;
        }
    }

    static bool IsLayoutKnown()
    {
        const uint Xid = 0x5A17C0DE;
        nint context = rpc_init_context();
        if (context == 0) return false;
        rpc_set_next_xid(context, Xid);
        // Safety: never queued, so neither function pointer is called.
        nint pdu = rpc_allocate_pdu2(context, 100003, 3, 0, null, 0, null, 0, 0);
        bool known = false;
        if (pdu != 0)
        {
            // Safety: a pdu is more than 100 bytes; the buffer is looked at only when its size is the expected one.
            Zdr* zdr = ZdrOf(pdu);
            known = *(uint*)(pdu + PduXid) == Xid
                && zdr->Op == 0
                && zdr->Size == EncodeBuffer
                && zdr->Position is > 40 and < 200
                && System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(new ReadOnlySpan<byte>(zdr->Buffer + 4, 4)) == Xid;
            rpc_free_pdu(context, pdu);
        }
        rpc_destroy_context(context);
        return known;
    }

    [LibraryImport(Library)]
    public static partial nint rpc_init_context();

    [LibraryImport(Library)]
    public static partial void rpc_destroy_context(nint context);

    [LibraryImport(Library)]
    public static partial void rpc_set_next_xid(nint context, uint xid);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint libnfs_authunix_create(string host, uint uid, uint gid, uint length, uint[] groups);

    /// <summary>The context owns the credentials from now on.</summary>
    [LibraryImport(Library)]
    public static partial void rpc_set_auth(nint context, nint auth);

    /// <param name="callback">(context, status, data, argument), on the thread that calls <see cref="rpc_service"/>.</param>
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int rpc_connect_async(nint context, string address, int port, delegate* unmanaged[Cdecl]<nint, int, byte*, nint, void> callback, nint argument);

    [LibraryImport(Library)]
    public static partial int rpc_get_fd(nint context);

    [LibraryImport(Library)]
    public static partial int rpc_which_events(nint context);

    /// <summary>Completes a connection, or sends what can be without waiting. Below 0: the connection is lost.</summary>
    [LibraryImport(Library)]
    public static partial int rpc_service(nint context, int revents);

    /// <summary>One whole reply, with its record mark, as it came from the socket; calls the callback of the call it answers.</summary>
    [LibraryImport(Library)]
    public static partial int rpc_process_pdu(nint context, nint record, int size);

    [LibraryImport(Library)]
    public static partial nint rpc_get_error(nint context);

    /// <param name="decode">Called with the reply's body before <paramref name="callback"/> is; 0 rejects it.</param>
    [LibraryImport(Library)]
    public static partial nint rpc_allocate_pdu2(
        nint context, int program, int version, int procedure,
        delegate* unmanaged[Cdecl]<nint, int, byte*, nint, void> callback, nint argument,
        delegate* unmanaged[Cdecl]<Zdr*, void*, uint> decode, int decodeBuffer, nuint hint);

    [LibraryImport(Library)]
    public static partial void rpc_free_pdu(nint context, nint pdu);

    [LibraryImport(Library)]
    public static partial int rpc_queue_pdu(nint context, nint pdu);
}
