using System.Runtime.InteropServices;
using DataLayer.Formats;

namespace DataLayer.Sources.LocalDirectory;

/// <summary>Reads a range of one version of a file: open, compare, read, compare again. Blocking.</summary>
internal sealed unsafe class FileReadJob(DirectoryTree tree, SourceFile file, long offset, Memory<byte> destination, bool settled) : BlockingJob
{
    /// <summary>
    /// One call's bytes go through a buffer of the thread's own, because a call that outlives its deadline must not write
    /// to the caller's memory. The copy costs about 0.1 ms per MiB; 256 KiB stays within the L2 cache.
    /// </summary>
    const int ChunkSize = 256 * 1024;

    [ThreadStatic] static byte[]? s_chunk;

    /// <summary>After the run: above 0 when nothing was read because the file changed too recently to trust its identity.</summary>
    public long UnsettledForNs { get; private set; }

    protected override void Execute()
    {
        if (!DirectoryTree.IsKey(file.Key) || !FileIdentity.TryParse(file.VersionTag, out FileIdentity recorded))
            throw new SourceException(SourceFault.Misconfigured, $"{tree.Display(file.Key)}: the snapshot was not made from this directory; make a new one.");

        using FileDescriptor root = tree.OpenRoot();
        // O_NONBLOCK: a pipe swapped in must not make the open wait for its other end.
        using FileDescriptor fd = tree.Open(root, file.Key, Libc.O_RDONLY | Libc.O_NONBLOCK, out int errno);
        if (!fd.IsOpen) throw OpenFault(root, errno);

        Check(fd, recorded, force: false);
        if (!settled)
        {
            UnsettledForNs = FileIdentity.UnsettledForNs(recorded.CtimeNs, FileIdentity.NowNs);
            if (UnsettledForNs > 0) return;
        }

        byte[] chunk = s_chunk ??= GC.AllocateUninitializedArray<byte>(ChunkSize);
        int done = 0;
        while (done < destination.Length)
        {
            int wanted = Math.Min(ChunkSize, destination.Length - done);
            nint got;
            // Safety: the chunk is pinned for the call and wanted is at most its length.
            fixed (byte* p = chunk) got = Libc.PRead(fd.Number, p, (nuint)wanted, offset + done);
            if (got < 0)
            {
                errno = Marshal.GetLastPInvokeError();
                if (errno == Libc.EINTR) continue;
                throw errno == Libc.ESTALE ? Changed() : tree.Fault(errno, "read", file.Key);
            }
            if (got == 0) throw Changed();
            if (!Publish((Chunk: chunk, At: done, Length: (int)got), Copy)) return;
            done += (int)got;
        }
        // An NFS client answers from its attribute cache unless told otherwise, and would miss a change during the read.
        Check(fd, recorded, force: true);
    }

    void Copy((byte[] Chunk, int At, int Length) piece) =>
        piece.Chunk.AsSpan(0, piece.Length).CopyTo(destination.Span[piece.At..]);

    void Check(FileDescriptor fd, FileIdentity recorded, bool force)
    {
        if (!DirectoryTree.TryStat(fd, [], force, out Libc.Statx stat))
        {
            int errno = Marshal.GetLastPInvokeError();
            throw errno == Libc.ESTALE ? Changed() : tree.Fault(errno, "stat", file.Key);
        }
        if (stat.Type != Libc.S_IFREG || (long)stat.Size != file.Size || new FileIdentity(stat) != recorded) throw Changed();
    }

    SourceException OpenFault(FileDescriptor root, int errno)
    {
        if (errno is not (Libc.ENOENT or Libc.ENOTDIR or Libc.ELOOP or Libc.ESTALE or Libc.ENXIO or Libc.EXDEV)) return tree.Fault(errno, "open", file.Key);
        return tree.IsStillTheSameRoot(root)
            ? Changed()
            : new SourceException(SourceFault.Unavailable, $"{tree.RootPath} is not the directory it was; is the storage still mounted there?");
    }

    SourceException Changed() =>
        new(SourceFault.Changed, $"{tree.Display(file.Key)} changed or vanished since it was listed; refresh the snapshot.");
}
