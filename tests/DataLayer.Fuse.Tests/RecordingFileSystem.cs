using System.Text;

namespace DataLayer.Fuse.Tests;

/// <summary>Writes down each call, and answers as it is told.</summary>
sealed class RecordingFileSystem(Action<FuseRequest>? answer = null) : IFuseFileSystem
{
    readonly Action<FuseRequest> _answer = answer ?? (static request => request.ReplyOk());

    public List<string> Calls { get; } = [];

    public void Lookup(FuseRequest request, FuseNodeId parent, ReadOnlySpan<byte> name) => Call(request, $"lookup {parent} {Encoding.Latin1.GetString(name)}");

    public void Forget(FuseNodeId node, ulong lookups) => Calls.Add($"forget {node} {lookups}");

    public void GetAttr(FuseRequest request, FuseNodeId node, FuseHandle? handle) => Call(request, $"getattr {node} {handle?.ToString() ?? "-"}");

    public void Statx(FuseRequest request, FuseNodeId node, FuseHandle? handle, uint mask) => Call(request, $"statx {node} {handle?.ToString() ?? "-"} {mask}");

    public void ReadLink(FuseRequest request, FuseNodeId node) => Call(request, $"readlink {node}");

    public void Open(FuseRequest request, FuseNodeId node, uint flags) => Call(request, $"open {node} {flags}");

    public void Read(FuseRequest request, FuseNodeId node, FuseHandle handle, ulong offset, int size) => Call(request, $"read {node} {handle} {offset} {size}");

    public void Release(FuseRequest request, FuseNodeId node, FuseHandle handle) => Call(request, $"release {node} {handle}");

    public void OpenDir(FuseRequest request, FuseNodeId node, uint flags) => Call(request, $"opendir {node} {flags}");

    public void ReadDir(FuseRequest request, FuseNodeId node, FuseHandle handle, ulong offset, int size, bool plus) =>
        Call(request, $"readdir {node} {handle} {offset} {size} {plus}");

    public void ReleaseDir(FuseRequest request, FuseNodeId node, FuseHandle handle) => Call(request, $"releasedir {node} {handle}");

    public void StatFs(FuseRequest request, FuseNodeId node) => Call(request, $"statfs {node}");

    public void Access(FuseRequest request, FuseNodeId node, uint mask) => Call(request, $"access {node} {mask}");

    public void GetXattr(FuseRequest request, FuseNodeId node, ReadOnlySpan<byte> name, int size) =>
        Call(request, $"getxattr {node} {Encoding.Latin1.GetString(name)} {size}");

    public void ListXattr(FuseRequest request, FuseNodeId node, int size) => Call(request, $"listxattr {node} {size}");

    public void LSeek(FuseRequest request, FuseNodeId node, FuseHandle handle, ulong offset, FuseWhence whence) =>
        Call(request, $"lseek {node} {handle} {offset} {whence}");

    public void Ioctl(FuseRequest request, FuseNodeId node, FuseHandle handle, uint command, ReadOnlySpan<byte> input, int outputSize) =>
        Call(request, $"ioctl {node} {handle} {command} {Convert.ToHexString(input)} {outputSize}");

    void Call(FuseRequest request, string call)
    {
        Calls.Add(call);
        _answer(request);
    }
}
