using System.Runtime.InteropServices;
using Xunit;

namespace DataLayer.Fuse.Tests;

/// <summary>What becomes of a message, without a kernel.</summary>
public sealed class DispatchTests
{
    public static TheoryData<string, byte[]> Calls() => new()
    {
        { "lookup 5 name", KernelMessage.Create(FuseOpcode.Lookup, 9, 5, "name\0"u8) },
        { "getattr 5 -", KernelMessage.Create(FuseOpcode.GetAttr, 9, 5, new FuseGetAttrIn { Fh = 3 }) },
        { "getattr 5 3", KernelMessage.Create(FuseOpcode.GetAttr, 9, 5, new FuseGetAttrIn { Fh = 3, GetAttrFlags = FuseGetAttrIn.HasHandle }) },
        { "statx 5 - 2048", KernelMessage.Create(FuseOpcode.Statx, 9, 5, new FuseStatxIn { SxMask = 2048 }) },
        { "readlink 5", KernelMessage.Create(FuseOpcode.ReadLink, 9, 5, []) },
        { "open 5 32768", KernelMessage.Create(FuseOpcode.Open, 9, 5, new FuseOpenIn { Flags = 0x8000 }) },
        { "read 5 3 4096 131072", KernelMessage.Create(FuseOpcode.Read, 9, 5, new FuseReadIn { Fh = 3, Offset = 4096, Size = 131072 }) },
        { "release 5 3", KernelMessage.Create(FuseOpcode.Release, 9, 5, new FuseReleaseIn { Fh = 3 }) },
        { "opendir 5 65536", KernelMessage.Create(FuseOpcode.OpenDir, 9, 5, new FuseOpenIn { Flags = 0x10000 }) },
        { "readdir 5 3 7 4096 False", KernelMessage.Create(FuseOpcode.ReadDir, 9, 5, new FuseReadIn { Fh = 3, Offset = 7, Size = 4096 }) },
        { "readdir 5 3 7 4096 True", KernelMessage.Create(FuseOpcode.ReadDirPlus, 9, 5, new FuseReadIn { Fh = 3, Offset = 7, Size = 4096 }) },
        { "releasedir 5 3", KernelMessage.Create(FuseOpcode.ReleaseDir, 9, 5, new FuseReleaseIn { Fh = 3 }) },
        { "statfs 5", KernelMessage.Create(FuseOpcode.StatFs, 9, 5, []) },
        { "access 5 4", KernelMessage.Create(FuseOpcode.Access, 9, 5, new FuseAccessIn { Mask = 4 }) },
        { "getxattr 5 user.x 100", KernelMessage.Create(FuseOpcode.GetXattr, 9, 5, new FuseGetXattrIn { Size = 100 }, "user.x\0"u8) },
        { "listxattr 5 100", KernelMessage.Create(FuseOpcode.ListXattr, 9, 5, new FuseGetXattrIn { Size = 100 }) },
        { "lseek 5 3 10 Hole", KernelMessage.Create(FuseOpcode.LSeek, 9, 5, new FuseLSeekIn { Fh = 3, Offset = 10, Whence = 4 }) },
        { "ioctl 5 3 77 0102 16", KernelMessage.Create(FuseOpcode.Ioctl, 9, 5, new FuseIoctlIn { Fh = 3, Cmd = 77, InSize = 2, OutSize = 16 }, [1, 2]) },
    };

    [Theory]
    [MemberData(nameof(Calls))]
    public void A_request_becomes_one_call_and_one_answer(string call, byte[] message)
    {
        RecordingFileSystem files = new();
        FakeWorker worker = new(files);
        worker.Receive(message);
        Assert.Equal([call], files.Calls);
        SentAnswer answer = Assert.Single(worker.Answers);
        Assert.Equal((9ul, Errno.None), (answer.Unique, answer.Error));
        Assert.Empty(worker.Lines);
    }

    [Theory]
    [InlineData(FuseOpcode.SetAttr)]
    [InlineData(FuseOpcode.Symlink)]
    [InlineData(FuseOpcode.MkNod)]
    [InlineData(FuseOpcode.MkDir)]
    [InlineData(FuseOpcode.Unlink)]
    [InlineData(FuseOpcode.RmDir)]
    [InlineData(FuseOpcode.Rename)]
    [InlineData(FuseOpcode.Rename2)]
    [InlineData(FuseOpcode.Link)]
    [InlineData(FuseOpcode.Write)]
    [InlineData(FuseOpcode.SetXattr)]
    [InlineData(FuseOpcode.RemoveXattr)]
    [InlineData(FuseOpcode.Create)]
    [InlineData(FuseOpcode.TmpFile)]
    [InlineData(FuseOpcode.FAllocate)]
    [InlineData(FuseOpcode.CopyFileRange)]
    [InlineData(FuseOpcode.CopyFileRange64)]
    public void Whatever_changes_something_is_refused_with_EROFS(FuseOpcode opcode) => AssertRefused(opcode, Errno.EROFS);

    [Theory]
    [InlineData(FuseOpcode.Flush)]
    [InlineData(FuseOpcode.FSync)]
    [InlineData(FuseOpcode.FSyncDir)]
    [InlineData(FuseOpcode.SyncFs)]
    [InlineData(FuseOpcode.GetLk)]
    [InlineData(FuseOpcode.SetLk)]
    [InlineData(FuseOpcode.SetLkW)]
    [InlineData(FuseOpcode.Poll)]
    [InlineData(FuseOpcode.BMap)]
    [InlineData(FuseOpcode.SetupMapping)]
    [InlineData(FuseOpcode.RemoveMapping)]
    [InlineData((FuseOpcode)7)]
    [InlineData((FuseOpcode)54)]
    [InlineData((FuseOpcode)4096)]
    [InlineData((FuseOpcode)uint.MaxValue)]
    public void What_the_kernel_does_better_and_what_nobody_knows_is_ENOSYS(FuseOpcode opcode) => AssertRefused(opcode, Errno.ENOSYS);

    [Theory]
    [InlineData(0x1)] // O_WRONLY
    [InlineData(0x2)] // O_RDWR
    [InlineData(0x200)] // O_TRUNC
    public void Opening_for_write_is_refused_with_EROFS(uint flags)
    {
        RecordingFileSystem files = new();
        FakeWorker worker = new(files);
        worker.Receive(KernelMessage.Create(FuseOpcode.Open, 9, 5, new FuseOpenIn { Flags = flags }));
        Assert.Equal(Errno.EROFS, Assert.Single(worker.Answers).Error);
        Assert.Empty(files.Calls);
    }

    [Fact]
    public void Every_opcode_of_the_kernel_has_a_name() =>
        Assert.All(Enum.GetValues<FuseOpcode>(), opcode => Assert.DoesNotContain("opcode", FuseOperations.NameOf((uint)opcode), StringComparison.Ordinal));

    [Fact]
    public void Forgets_reach_the_filesystem_and_are_not_answered()
    {
        RecordingFileSystem files = new();
        FakeWorker worker = new(files);
        worker.Receive(KernelMessage.Create(FuseOpcode.Forget, 9, 5, new FuseForgetIn { NLookup = 3 }));
        FuseForgetOne[] all = [new() { NodeId = 6, NLookup = 1 }, new() { NodeId = 7, NLookup = 2 }];
        worker.Receive(KernelMessage.Create(FuseOpcode.BatchForget, 0, 0, new FuseBatchForgetIn { Count = 2 }, MemoryMarshal.AsBytes<FuseForgetOne>(all)));
        Assert.Equal(["forget 5 3", "forget 6 1", "forget 7 2"], files.Calls);
        Assert.Empty(worker.Answers);
    }

    [Fact]
    public void A_batch_that_announces_more_than_it_carries_counts_what_is_there()
    {
        RecordingFileSystem files = new();
        FakeWorker worker = new(files);
        FuseForgetOne[] all = [new() { NodeId = 6, NLookup = 1 }];
        worker.Receive(KernelMessage.Create(FuseOpcode.BatchForget, 0, 0, new FuseBatchForgetIn { Count = uint.MaxValue }, MemoryMarshal.AsBytes<FuseForgetOne>(all)));
        Assert.Equal(["forget 6 1"], files.Calls);
        Assert.Single(worker.Lines);
    }

    [Fact]
    public void A_message_without_a_header_is_ignored_and_logged()
    {
        FakeWorker worker = new(new RecordingFileSystem());
        worker.Receive(new byte[FuseInHeader.Size - 1]);
        worker.Receive([]);
        Assert.Empty(worker.Answers);
        Assert.Equal(2, worker.Lines.Count);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1)]
    public void A_header_that_lies_about_the_length_gets_EIO(int difference)
    {
        RecordingFileSystem files = new();
        FakeWorker worker = new(files);
        byte[] message = KernelMessage.Create(FuseOpcode.Lookup, 9, 5, "name\0"u8);
        message[0] = (byte)(message[0] + difference);
        worker.Receive(message);
        Assert.Equal((9ul, Errno.EIO), (worker.Answers.Single().Unique, worker.Answers.Single().Error));
        Assert.Empty(files.Calls);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\0")]
    [InlineData("name")]
    public void A_name_that_is_empty_or_has_no_end_gets_EIO(string name)
    {
        RecordingFileSystem files = new();
        FakeWorker worker = new(files);
        worker.Receive(KernelMessage.Create(FuseOpcode.Lookup, 9, 5, System.Text.Encoding.UTF8.GetBytes(name)));
        Assert.Equal(Errno.EIO, Assert.Single(worker.Answers).Error);
        Assert.Empty(files.Calls);
        Assert.Single(worker.Lines);
    }

    [Fact]
    public void A_truncated_request_gets_EIO()
    {
        RecordingFileSystem files = new();
        FakeWorker worker = new(files);
        foreach (object[] row in Calls())
        {
            byte[] whole = (byte[])row[1];
            FuseInHeader header = MemoryMarshal.Read<FuseInHeader>(whole);
            int fixedSize = FuseOperations.FixedSizeOf(header.Opcode);
            if (fixedSize == 0) continue;
            worker.Receive(KernelMessage.Create((FuseOpcode)header.Opcode, 9, 5, whole.AsSpan(FuseInHeader.Size, fixedSize - 1)));
        }
        Assert.NotEmpty(worker.Answers);
        Assert.All(worker.Answers, answer => Assert.Equal(Errno.EIO, answer.Error));
        Assert.Empty(files.Calls);
    }

    [Fact]
    public void More_than_a_request_may_ask_for_gets_EIO()
    {
        RecordingFileSystem files = new();
        FakeWorker worker = new(files);
        worker.Receive(KernelMessage.Create(FuseOpcode.Read, 1, 5, new FuseReadIn { Size = (1 << 20) + 1 }));
        worker.Receive(KernelMessage.Create(FuseOpcode.GetXattr, 3, 5, new FuseGetXattrIn { Size = uint.MaxValue }, "a\0"u8));
        worker.Receive(KernelMessage.Create(FuseOpcode.Ioctl, 4, 5, new FuseIoctlIn { InSize = 5 }, [1]));
        worker.Receive(KernelMessage.Create(FuseOpcode.Ioctl, 5, 5, new FuseIoctlIn { OutSize = uint.MaxValue }));
        Assert.Equal([1ul, 3, 4, 5], worker.Answers.Select(answer => answer.Unique));
        Assert.All(worker.Answers, answer => Assert.Equal(Errno.EIO, answer.Error));
        Assert.Empty(files.Calls);
    }

    [Fact]
    public void A_directory_is_read_in_pieces_of_the_largest_read()
    {
        RecordingFileSystem files = new();
        FakeWorker worker = new(files);
        worker.Receive(KernelMessage.Create(FuseOpcode.ReadDir, 2, 5, new FuseReadIn { Size = uint.MaxValue }));
        Assert.Equal([$"readdir 5 0 0 {1 << 20} False"], files.Calls);
    }

    [Fact]
    public void A_handler_that_throws_is_answered_with_EIO_and_logged()
    {
        FakeWorker worker = new(new RecordingFileSystem(static _ => throw new InvalidDataException("boom")));
        worker.Receive(KernelMessage.Create(FuseOpcode.Lookup, 9, 5, "name\0"u8));
        Assert.Equal(Errno.EIO, Assert.Single(worker.Answers).Error);
        Assert.Contains("boom", Assert.Single(worker.Lines), StringComparison.Ordinal);
        Assert.Equal(1, worker.Session.Statistics().Unanswered);
    }

    [Fact]
    public void A_handler_that_throws_after_its_answer_is_logged_and_nothing_more()
    {
        FakeWorker worker = new(new RecordingFileSystem(static request =>
        {
            request.ReplyOk();
            throw new InvalidDataException("boom");
        }));
        worker.Receive(KernelMessage.Create(FuseOpcode.Lookup, 9, 5, "name\0"u8));
        Assert.Equal(Errno.None, Assert.Single(worker.Answers).Error);
        Assert.Single(worker.Lines);
    }

    [Fact]
    public void A_handler_that_forgets_to_answer_is_answered_with_EIO_and_logged()
    {
        FakeWorker worker = new(new RecordingFileSystem(static _ => { }));
        worker.Receive(KernelMessage.Create(FuseOpcode.Lookup, 9, 5, "name\0"u8));
        Assert.Equal(Errno.EIO, Assert.Single(worker.Answers).Error);
        Assert.Contains("Lookup #9 on node 5", Assert.Single(worker.Lines), StringComparison.Ordinal);
    }

    [Fact]
    public void A_second_answer_throws_and_is_not_sent()
    {
        FakeWorker worker = new(new RecordingFileSystem(static request =>
        {
            request.ReplyOk();
            Assert.Throws<InvalidOperationException>(() => request.ReplyError(Errno.ENOENT));
        }));
        worker.Receive(KernelMessage.Create(FuseOpcode.Lookup, 9, 5, "name\0"u8));
        Assert.Equal(Errno.None, Assert.Single(worker.Answers).Error);
        Assert.Empty(worker.Lines);
    }

    [Fact]
    public void An_answer_from_another_thread_without_deferring_throws()
    {
        FakeWorker worker = new(new RecordingFileSystem(static request =>
        {
            Thread other = new(() => Assert.Throws<InvalidOperationException>(request.ReplyOk));
            other.Start();
            other.Join();
            request.ReplyOk();
        }));
        worker.Receive(KernelMessage.Create(FuseOpcode.Lookup, 9, 5, "name\0"u8));
        Assert.Equal(Errno.None, Assert.Single(worker.Answers).Error);
        Assert.Empty(worker.Lines);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-5)]
    [InlineData(512)]
    [InlineData(100_000)]
    public void An_error_that_is_no_errno_becomes_EIO(int error)
    {
        FakeWorker worker = new(new RecordingFileSystem(request => request.ReplyError((Errno)error)));
        worker.Receive(KernelMessage.Create(FuseOpcode.Lookup, 9, 5, "name\0"u8));
        Assert.Equal(Errno.EIO, Assert.Single(worker.Answers).Error);
    }

    [Fact]
    public void A_missing_name_is_remembered_by_the_kernel_only_with_a_timeout()
    {
        FakeWorker worker = new(new RecordingFileSystem(static request => request.ReplyNoEntry(request.Unique)));
        worker.Receive(KernelMessage.Create(FuseOpcode.Lookup, 0, 5, "name\0"u8));
        worker.Receive(KernelMessage.Create(FuseOpcode.Lookup, 7, 5, "name\0"u8));
        Assert.Equal([Errno.ENOENT, Errno.None], worker.Answers.Select(answer => answer.Error));
        FuseEntryOut entry = MemoryMarshal.Read<FuseEntryOut>(worker.Answers.Last().Bytes);
        Assert.Equal((0ul, 7ul), (entry.NodeId.Value, entry.EntryValid));
    }

    [Theory]
    [InlineData(0, Errno.None, 8)] // The size only.
    [InlineData(2, Errno.ERANGE, 0)]
    [InlineData(3, Errno.None, 3)]
    [InlineData(64, Errno.None, 3)]
    public void An_xattr_is_sent_when_it_fits(int room, Errno error, int bytes)
    {
        FakeWorker worker = new(new RecordingFileSystem(static request => request.ReplyXattr("abc"u8)));
        worker.Receive(KernelMessage.Create(FuseOpcode.GetXattr, 9, 5, new FuseGetXattrIn { Size = (uint)room }, "user.x\0"u8));
        SentAnswer answer = Assert.Single(worker.Answers);
        Assert.Equal((error, bytes), (answer.Error, answer.Bytes.Length));
        if (bytes == 8) Assert.Equal(3u, MemoryMarshal.Read<uint>(answer.Bytes));
    }

    [Fact]
    public void A_payload_is_sent_up_to_the_length_given()
    {
        FakeWorker worker = new(new RecordingFileSystem(static request =>
        {
            Memory<byte> payload = request.TakePayload(100);
            Assert.Equal(100, payload.Length);
            "hello"u8.CopyTo(payload.Span);
            Assert.Throws<ArgumentOutOfRangeException>(() => request.ReplyPayload(101));
            request.ReplyPayload(5);
        }));
        worker.Receive(KernelMessage.Create(FuseOpcode.Read, 9, 5, new FuseReadIn { Size = 100 }));
        Assert.Equal("hello"u8.ToArray(), Assert.Single(worker.Answers).Bytes);
        Assert.Equal(5, worker.Session.Statistics().BytesSent);
    }

    [Fact]
    public void Caller_and_number_are_those_of_the_header()
    {
        FakeWorker worker = new(new RecordingFileSystem(static request =>
        {
            Assert.Equal((1000u, 1001u, 1002u), (request.Uid, request.Gid, request.Pid));
            Assert.Equal((FuseOpcode.Lookup, 0x8000_0000_0000_0009ul), (request.Opcode, request.Unique));
            request.ReplyOk();
        }));
        worker.Receive(KernelMessage.Create(FuseOpcode.Lookup, 0x8000_0000_0000_0009, 5, "name\0"u8));
        Assert.Equal(0x8000_0000_0000_0009ul, Assert.Single(worker.Answers).Unique);
        Assert.Empty(worker.Lines);
    }

    [Fact]
    public void A_failed_connection_answers_everything_with_EIO()
    {
        RecordingFileSystem files = new();
        FakeWorker worker = new(files);
        worker.Session.Fail();
        worker.Receive(KernelMessage.Create(FuseOpcode.Lookup, 9, 5, "name\0"u8));
        Assert.Equal(Errno.EIO, Assert.Single(worker.Answers).Error);
        Assert.Empty(files.Calls);
    }

    [Fact]
    public void Requests_are_counted_by_opcode_and_unusual_errors_once()
    {
        FakeWorker worker = new(new RecordingFileSystem(static request => request.ReplyError(request.Unique == 1 ? Errno.ENOENT : Errno.ESTALE)));
        worker.Receive(KernelMessage.Create(FuseOpcode.Lookup, 1, 5, "name\0"u8));
        worker.Receive(KernelMessage.Create(FuseOpcode.Lookup, 2, 5, "name\0"u8));
        worker.Receive(KernelMessage.Create((FuseOpcode)9999, 3, 5, []));
        FuseStatistics statistics = worker.Session.Statistics();
        Assert.Equal((2L, 1L, 3L), (statistics[FuseOpcode.Lookup], statistics.Requests[0], statistics.Total));
        Assert.Equal(1, statistics.Errors);
    }

    static void AssertRefused(FuseOpcode opcode, Errno error)
    {
        RecordingFileSystem files = new();
        FakeWorker worker = new(files);
        worker.Receive(KernelMessage.Create(opcode, 9, 5, new byte[64]));
        SentAnswer answer = Assert.Single(worker.Answers);
        Assert.Equal((9ul, error), (answer.Unique, answer.Error));
        Assert.Empty(files.Calls);
    }
}
