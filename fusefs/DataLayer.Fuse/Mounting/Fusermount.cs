using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Fuse;

/// <summary>
/// The set-uid helper of libfuse 3 that mounts for users: it opens /dev/fuse, mounts, and passes the descriptor over the
/// socket whose number is in _FUSE_COMMFD.
/// </summary>
static unsafe class Fusermount
{
    const string Program = "fusermount3";
    const int UnixDomain = 1;
    const int Stream = 1;
    const int CloseOnExec = 0x80000;
    const int SetDescriptorFlags = 2;
    const int SocketLevel = 1;
    const int RightsMessage = 1;
    const int ReceiveCloseOnExec = 0x4000_0000;

    /// <summary>The helper does a few system calls; a minute means that something below it hangs.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static FuseDevice Mount(string path, FuseOptions options)
    {
        int* pair = stackalloc int[2];
        // Safe: two ints on the stack.
        if (Libc.SocketPair(UnixDomain, Stream | CloseOnExec, 0, pair) != 0)
            throw new FuseException($"Cannot mount on {path}: no socket for {Program}: {Libc.LastError}.", Libc.LastError);
        using SafeFileHandle ours = new(pair[0], ownsHandle: true);
        using SafeFileHandle theirs = new(pair[1], ownsHandle: true);
        Libc.Fcntl(pair[1], SetDescriptorFlags, 0);
        (int code, string message) = Run(["-o", OptionsOf(options), "--", path], pair[1]);
        theirs.Dispose();
        if (code != 0) throw Failure($"Cannot mount on {path}", message, options);
        int descriptor = ReceiveDescriptor(pair[0]);
        if (descriptor < 0) throw new FuseException($"Cannot mount on {path}: {Program} passed no descriptor.");
        return new FuseDevice(new SafeFileHandle(descriptor, ownsHandle: true));
    }

    /// <returns>Null on success, or what the helper said.</returns>
    public static string? Unmount(string path, bool lazy)
    {
        (int code, string message) = Run(lazy ? ["-u", "-z", "--", path] : ["-u", "--", path], socket: null);
        return code == 0 ? null : message;
    }

    internal static string OptionsOf(FuseOptions options)
    {
        StringBuilder text = new("ro,nosuid,nodev");
        text.Append($",fsname={Escape(options.Source)},subtype={options.Subtype},max_read={options.MaxRead}");
        if (options.DefaultPermissions) text.Append(",default_permissions");
        if (options.AllowOther) text.Append(",allow_other");
        return text.ToString();
    }

    // The helper splits at commas and takes a backslash as an escape.
    static string Escape(string value) => value.Replace("\\", "\\\\").Replace(",", "\\,");

    static FuseException Failure(string what, string message, FuseOptions options)
    {
        string remedy = message.Contains("user_allow_other", StringComparison.Ordinal) && options.AllowOther
            ? "; add the line user_allow_other to /etc/fuse.conf, or mount without --allow-other"
            : "";
        return new FuseException($"{what}: {message}{remedy}.", Errno.EPERM);
    }

    static (int Code, string Message) Run(string[] arguments, int? socket)
    {
        ProcessStartInfo start = new(Program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true, RedirectStandardInput = true };
        if (socket is { } number) start.Environment["_FUSE_COMMFD"] = number.ToString();
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Win32Exception absent)
        {
            throw new FuseException($"{Program} was not found; install the package fuse3, or run as root.", Errno.ENOENT, absent);
        }
        using (process)
        {
            Task<string> error = process.StandardError.ReadToEndAsync();
            if (process.WaitForExit(Patience)) return (process.ExitCode, error.Result.Trim().TrimEnd('.').ReplaceLineEndings("; "));
            process.Kill();
            return (-1, $"{Program} did not end within {Patience.TotalSeconds:0} s");
        }
    }

    static int ReceiveDescriptor(int socket)
    {
        // cmsghdr of 64-bit Linux: length (8 bytes), level (4), type (4), then the descriptor.
        byte data = 0;
        byte* control = stackalloc byte[24];
        new Span<byte>(control, 24).Clear();
        IoVec vector = new() { Base = &data, Length = 1 };
        MessageHeader message = new() { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = 24 };
        nint received;
        // Safe: everything the message points to lives on this stack frame.
        do received = Libc.ReceiveMessage(socket, &message, ReceiveCloseOnExec);
        while (received < 0 && Libc.LastError == Errno.EINTR);
        ReadOnlySpan<byte> head = new(control, 24);
        bool isRights = received > 0 && message.ControlLength >= 20 && MemoryMarshal.Read<int>(head[8..]) == SocketLevel && MemoryMarshal.Read<int>(head[12..]) == RightsMessage;
        return isRights ? MemoryMarshal.Read<int>(head[16..]) : -1;
    }
}
