using System.Buffers.Text;
using DataLayer.Fuse;

namespace DataLayer.TestReader;

/// <summary>Many files of one size in one directory, their content in memory: what is left is the cost of the transport.</summary>
sealed class LeanFileSystem(int count, int size) : IFuseFileSystem
{
    readonly byte[] _content = Content(size);

    public void Lookup(FuseRequest request, FuseNodeId parent, ReadOnlySpan<byte> name)
    {
        if (Utf8Parser.TryParse(name, out int index, out int used) && used == name.Length && (uint)index < (uint)count)
        {
            request.ReplyEntry(new FuseEntryOut
            {
                NodeId = new FuseNodeId((ulong)index + 2),
                EntryValid = FuseEntryOut.Forever,
                AttrValid = FuseEntryOut.Forever,
                Attr = File((ulong)index + 2),
            });
        }
        else
        {
            request.ReplyNoEntry(FuseEntryOut.Forever);
        }
    }

    public void Forget(FuseNodeId node, ulong lookups) { }

    public void GetAttr(FuseRequest request, FuseNodeId node, FuseHandle? handle) => request.ReplyAttr(new FuseAttrOut
    {
        AttrValid = FuseEntryOut.Forever,
        Attr = node == FuseNodeId.Root ? new FuseAttr { Ino = 1, Mode = 0x41ED, NLink = 2 } : File(node.Value),
    });

    public void ReadLink(FuseRequest request, FuseNodeId node) => request.ReplyError(Errno.EINVAL);

    public void Open(FuseRequest request, FuseNodeId node, uint flags) => request.ReplyError(Errno.ENOSYS);

    public void Read(FuseRequest request, FuseNodeId node, FuseHandle handle, ulong offset, int length)
    {
        int from = (int)Math.Min(offset, (ulong)_content.Length);
        request.ReplyData(_content.AsSpan(from, Math.Min(length, _content.Length - from)));
    }

    public void ReadDir(FuseRequest request, FuseNodeId node, FuseHandle handle, ulong offset, int length, bool plus) =>
        request.ReplyDirectory(new FuseDirectoryWriter(request, length));

    public void StatFs(FuseRequest request, FuseNodeId node) => request.ReplyStatFs(new FuseKStatFs { BSize = 4096, FrSize = 4096, NameLen = 255 });

    FuseAttr File(ulong ino) => new() { Ino = ino, Mode = 0x81A4, NLink = 1, Size = (ulong)_content.Length, Blocks = (ulong)(_content.Length + 511) / 512 };

    static byte[] Content(int size)
    {
        byte[] content = new byte[size];
        Pattern.Fill(content, 1, 0);
        return content;
    }
}
