using Xunit;

namespace DataLayer.Fuse.Tests;

/// <summary>Mutated requests: never a crash, exactly one answer for each that has a header and a caller.</summary>
public sealed class FuzzTests
{
    const int Rounds = 150_000;

    [Fact]
    public void Mutated_requests_get_one_answer_each()
    {
        int seed = Random.Shared.Next();
        Random random = new(seed);
        byte[][] valid = [.. DispatchTests.Calls().Select(static row => (byte[])row[1]), .. OneWay()];
        int answers = 0;
        FakeWorker worker = new(new RandomFileSystem(seed), new FuseOptions()) { OnAnswer = _ => answers++ };
        byte[] buffer = new byte[DeviceWorker.BufferSize];
        for (int i = 0; i < Rounds; i++)
        {
            Span<byte> message = Mutate(valid[random.Next(valid.Length)], buffer, random);
            answers = 0;
            Exception? fault = Record(worker, message);
            bool hasCaller = message.Length >= FuseInHeader.Size && !FuseOperations.IsOneWay(BitConverter.ToUInt32(message[4..]));
            if (fault is not null || answers != (hasCaller ? 1 : 0))
                Assert.Fail($"Seed {seed}, round {i}: {answers} answers, {fault} for {Convert.ToHexString(message)}");
            worker.Lines.Clear();
        }
    }

    static Exception? Record(FakeWorker worker, ReadOnlySpan<byte> message)
    {
        try
        {
            worker.Receive(message);
            return null;
        }
        catch (Exception fault)
        {
            return fault;
        }
    }

    static Span<byte> Mutate(byte[] valid, byte[] buffer, Random random)
    {
        valid.CopyTo(buffer, 0);
        int length = valid.Length;
        switch (random.Next(6))
        {
            case 0: // Cut.
                length = random.Next(length + 1);
                break;
            case 1: // Lengthen with noise.
                int more = random.Next(buffer.Length - length);
                random.NextBytes(buffer.AsSpan(length, more));
                length += more;
                break;
            case 2: // Another operation's arguments.
                BitConverter.TryWriteBytes(buffer.AsSpan(4), random.Next(-2, 60));
                break;
        }
        for (int flips = random.Next(4); flips > 0 && length > 0; flips--)
        {
            // Extremes find more than noise does.
            buffer[random.Next(length)] = random.Next(3) switch { 0 => 0, 1 => 0xFF, _ => (byte)random.Next(256) };
        }
        // Mostly with a true length, or nothing would get past the first check.
        if (length >= 4 && random.Next(8) != 0) BitConverter.TryWriteBytes(buffer, length);
        return buffer.AsSpan(0, length);
    }

    static IEnumerable<byte[]> OneWay() =>
    [
        KernelMessage.Create(FuseOpcode.Forget, 9, 5, new FuseForgetIn { NLookup = 3 }),
        KernelMessage.Create(FuseOpcode.BatchForget, 0, 0, new FuseBatchForgetIn { Count = 2 }, new byte[32]),
        KernelMessage.Create(FuseOpcode.Interrupt, 9, 0, new FuseInterruptIn { Unique = 0 }),
        KernelMessage.Create(FuseOpcode.Destroy, 9, 0, []),
    ];

    /// <summary>Answers in random ways, right and wrong ones.</summary>
    sealed class RandomFileSystem(int seed) : IFuseFileSystem
    {
        readonly Random _random = new(seed);

        public void Lookup(FuseRequest request, FuseNodeId parent, ReadOnlySpan<byte> name)
        {
            Assert.False(name.IsEmpty);
            Assert.False(name.Contains((byte)0));
            Answer(request);
        }

        public void Forget(FuseNodeId node, ulong lookups) { }

        public void GetAttr(FuseRequest request, FuseNodeId node, FuseHandle? handle) => Answer(request);

        public void ReadLink(FuseRequest request, FuseNodeId node) => Answer(request);

        public void Open(FuseRequest request, FuseNodeId node, uint flags) => Answer(request);

        public void Read(FuseRequest request, FuseNodeId node, FuseHandle handle, ulong offset, int size)
        {
            Assert.InRange(size, 0, 1 << 20);
            request.TakePayload(size);
            request.ReplyPayload(size);
        }

        public void ReadDir(FuseRequest request, FuseNodeId node, FuseHandle handle, ulong offset, int size, bool plus)
        {
            FuseDirectoryWriter entries = new(request, size);
            while (plus ? entries.TryAddPlus("name"u8, default, 1) : entries.TryAdd("name"u8, 1, FuseEntryType.Regular, 1))
            {
                if (entries.Length > 4096) break;
            }
            request.ReplyDirectory(entries);
        }

        public void StatFs(FuseRequest request, FuseNodeId node) => Answer(request);

        public void GetXattr(FuseRequest request, FuseNodeId node, ReadOnlySpan<byte> name, int size) => request.ReplyXattr("value"u8);

        void Answer(FuseRequest request)
        {
            switch (_random.Next(100))
            {
                case 0:
                    throw new InvalidDataException();
                case 1:
                    return;
                case 2:
                    request.Defer();
                    request.ReplyError(Errno.EINTR);
                    return;
                default:
                    request.ReplyOk();
                    return;
            }
        }
    }
}
