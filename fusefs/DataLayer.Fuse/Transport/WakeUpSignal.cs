using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary>
/// A signal that does nothing but end a read(2) in progress with EINTR. Polling a second descriptor beside the device would
/// do the same at the price of two more system calls for each request.
/// </summary>
static unsafe class WakeUpSignal
{
    // A real-time signal; the runtime uses the first of them (34 with glibc), libpthread those before it.
    const int Number = 42;

    // struct sigaction of 64-bit glibc: handler, mask of 1,024 bits, flags, restorer.
    const int ActionSize = 8 + 128 + 8 + 8;

    static readonly bool Installed = Install();

    public static void Send(int thread)
    {
        // ESRCH: the thread is gone, which is what the caller wants.
        if (Installed) _ = Libc.SignalThread(Environment.ProcessId, thread, Number);
    }

    static bool Install()
    {
        // The handler has to be native code that may run anywhere: abs(3) takes an int and touches nothing. Flags stay 0: without
        // SA_RESTART the read ends.
        byte* action = stackalloc byte[ActionSize];
        new Span<byte>(action, ActionSize).Clear();
        *(nint*)action = NativeLibrary.GetExport(NativeLibrary.Load("libc.so.6"), "abs");
        // Safe: the kernel's wrapper reads one struct sigaction from the stack.
        return Libc.SetSignalAction(Number, action, null) == 0;
    }
}
