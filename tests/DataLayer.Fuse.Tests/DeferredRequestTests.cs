using System.Runtime.CompilerServices;
using Xunit;

namespace DataLayer.Fuse.Tests;

/// <summary>Requests that outlive their handler.</summary>
public sealed class DeferredRequestTests
{
    [Fact]
    public void A_deferred_request_is_answered_from_another_thread()
    {
        FuseRequest? kept = null;
        FakeWorker worker = Receive(request => (kept = request).Defer());
        Assert.Empty(worker.Answers);
        Assert.Equal(1, worker.Session.Statistics().Pending);
        RunOnThread(() =>
        {
            "later"u8.CopyTo(kept!.TakePayload(10).Span);
            kept.ReplyPayload(5);
        });
        Assert.Equal("later"u8.ToArray(), Assert.Single(worker.Answers).Bytes);
        FuseStatistics statistics = worker.Session.Statistics();
        Assert.Equal((0L, 1L, 0L), (statistics.Pending, statistics.Deferred, statistics.PayloadBytesHeld));
    }

    [Fact]
    public void The_worker_goes_on_with_another_object()
    {
        List<FuseRequest> seen = [];
        FakeWorker worker = new(new RecordingFileSystem(request =>
        {
            seen.Add(request);
            if (request.Unique == 1) request.Defer();
            else request.ReplyOk();
        }));
        worker.Receive(KernelMessage.Create(FuseOpcode.Lookup, 1, 5, "a\0"u8));
        worker.Receive(KernelMessage.Create(FuseOpcode.Lookup, 2, 5, "b\0"u8));
        worker.Receive(KernelMessage.Create(FuseOpcode.Lookup, 3, 5, "c\0"u8));
        Assert.NotSame(seen[0], seen[1]);
        Assert.Same(seen[1], seen[2]);
        Assert.Equal(1ul, seen[0].Unique);
        seen[0].ReplyOk();
        Assert.Equal([2ul, 3, 1], worker.Answers.Select(answer => answer.Unique));
    }

    [Fact]
    public void A_second_answer_to_a_deferred_request_throws()
    {
        FuseRequest? kept = null;
        FakeWorker worker = Receive(request => (kept = request).Defer());
        kept!.ReplyError(Errno.ESTALE);
        Assert.Throws<InvalidOperationException>(() => kept.ReplyOk());
        Assert.Equal(Errno.ESTALE, Assert.Single(worker.Answers).Error);
    }

    [Fact]
    public void Of_many_answers_at_once_one_is_sent()
    {
        for (int round = 0; round < 200; round++)
        {
            FuseRequest? kept = null;
            FakeWorker worker = Receive(request => (kept = request).Defer());
            int refused = 0;
            Parallel.For(0, 4, _ =>
            {
                try
                {
                    kept!.ReplyOk();
                }
                catch (InvalidOperationException)
                {
                    Interlocked.Increment(ref refused);
                }
            });
            Assert.Single(worker.Answers);
            Assert.Equal(3, refused);
        }
    }

    [Fact]
    public void A_payload_taken_before_deferring_is_given_up()
    {
        FuseRequest? kept = null;
        Memory<byte> tried = default;
        FakeWorker worker = Receive(request =>
        {
            tried = request.TakePayload(10);
            (kept = request).Defer();
        });
        Assert.Throws<ArgumentOutOfRangeException>(() => kept!.ReplyPayload(10));
        Memory<byte> payload = kept!.TakePayload(10);
        Assert.False(payload.Span.Overlaps(tried.Span)); // The worker uses that one for the next request already.
        kept.ReplyPayload(10);
        Assert.Single(worker.Answers);
        Assert.Empty(worker.Lines);
    }

    [Fact]
    public void Deferring_an_answered_request_throws()
    {
        FakeWorker worker = Receive(static request =>
        {
            request.ReplyOk();
            Assert.Throws<InvalidOperationException>(request.Defer);
        });
        Assert.Single(worker.Answers);
        Assert.Empty(worker.Lines);
    }

    [Fact]
    public void A_deferred_request_that_is_dropped_gets_EIO()
    {
        FakeWorker worker = new(new RecordingFileSystem(static request => request.Defer()));
        DeferAndDrop(worker);
        Assert.True(SpinWait.SpinUntil(() =>
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return !worker.Answers.IsEmpty;
        }, TimeSpan.FromSeconds(30)));
        Assert.Equal((9ul, Errno.EIO), (worker.Answers.Single().Unique, worker.Answers.Single().Error));
        Assert.Contains("dropped", Assert.Single(worker.Lines), StringComparison.Ordinal);
        Assert.Equal((0L, 1L), (worker.Session.Statistics().Pending, worker.Session.Statistics().Unanswered));
    }

    [Fact]
    public void A_dropped_payload_is_never_given_to_another_request()
    {
        FuseRequest? kept = null;
        FakeWorker worker = Receive(request => (kept = request).Defer());
        Memory<byte> payload = kept!.TakePayload(100);
        kept.ReplyError(Errno.EIO); // I/O into the payload may still run.
        Assert.Equal(0, worker.Session.Statistics().PayloadBytesHeld);
        byte[] next = worker.Payloads.Rent(100);
        Assert.False(payload.Span.Overlaps(next));
    }

    [Fact]
    public void An_interrupt_cancels_a_deferred_request()
    {
        FuseRequest? kept = null;
        FakeWorker worker = Receive(request => (kept = request).Defer());
        CancellationToken token = kept!.Cancellation;
        Assert.False(kept.IsInterrupted);
        worker.Receive(KernelMessage.Create(FuseOpcode.Interrupt, 10, 0, new FuseInterruptIn { Unique = 9 }));
        Assert.True(kept.IsInterrupted);
        Assert.True(token.WaitHandle.WaitOne(TimeSpan.FromSeconds(30)));
        Assert.Empty(worker.Answers); // Whether EINTR is the answer is the filesystem's decision.
        kept.ReplyError(Errno.EINTR);
        Assert.Equal(Errno.EINTR, Assert.Single(worker.Answers).Error);
    }

    [Fact]
    public void A_token_asked_for_after_the_interrupt_is_cancelled()
    {
        FuseRequest? kept = null;
        FakeWorker worker = Receive(request => (kept = request).Defer());
        worker.Receive(KernelMessage.Create(FuseOpcode.Interrupt, 10, 0, new FuseInterruptIn { Unique = 9 }));
        Assert.True(kept!.Cancellation.IsCancellationRequested);
        kept.ReplyOk();
    }

    [Fact]
    public void An_interrupt_reaches_a_handler_in_progress_and_not_the_next_one()
    {
        List<bool> interrupted = [];
        FakeWorker? worker = null;
        worker = new FakeWorker(new RecordingFileSystem(request =>
        {
            if (request.Unique == 9) RunOnThread(() => worker!.Session.Interrupt(9));
            interrupted.Add(request.IsInterrupted);
            request.ReplyOk();
        }));
        worker.Receive(KernelMessage.Create(FuseOpcode.Lookup, 9, 5, "a\0"u8));
        worker.Receive(KernelMessage.Create(FuseOpcode.Lookup, 10, 5, "b\0"u8));
        Assert.Equal([true, false], interrupted);
    }

    [Fact]
    public void An_interrupt_of_an_answered_request_does_nothing()
    {
        FakeWorker worker = Receive(static request => request.ReplyOk());
        worker.Receive(KernelMessage.Create(FuseOpcode.Interrupt, 10, 0, new FuseInterruptIn { Unique = 9 }));
        worker.Receive(KernelMessage.Create(FuseOpcode.Interrupt, 11, 0, new FuseInterruptIn { Unique = 0 }));
        Assert.Single(worker.Answers);
    }

    [Fact]
    public void Failing_the_connection_answers_what_is_pending_and_drops_later_answers()
    {
        FuseRequest? kept = null;
        FakeWorker worker = Receive(request => (kept = request).Defer());
        kept!.TakePayload(100);
        worker.Session.Fail();
        Assert.Equal(Errno.EIO, Assert.Single(worker.Answers).Error);
        kept.ReplyPayload(100);
        Assert.Single(worker.Answers);
        Assert.Equal((0L, 0L), (worker.Session.Statistics().Pending, worker.Session.Statistics().PayloadBytesHeld));
        Assert.Throws<InvalidOperationException>(() => kept.ReplyOk());
    }

    [Fact]
    public void A_handler_that_throws_after_deferring_is_answered_once()
    {
        FuseRequest? kept = null;
        FakeWorker worker = Receive(request =>
        {
            (kept = request).Defer();
            throw new InvalidDataException("boom");
        });
        Assert.Equal(Errno.EIO, Assert.Single(worker.Answers).Error);
        kept!.ReplyOk();
        Assert.Single(worker.Answers);
    }

    static FakeWorker Receive(Action<FuseRequest> answer)
    {
        FakeWorker worker = new(new RecordingFileSystem(answer));
        worker.Receive(KernelMessage.Create(FuseOpcode.Read, 9, 5, new FuseReadIn { Size = 4096 }));
        return worker;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static void DeferAndDrop(FakeWorker worker) => worker.Receive(KernelMessage.Create(FuseOpcode.Read, 9, 5, new FuseReadIn { Size = 4096 }));

    static void RunOnThread(Action action)
    {
        Exception? fault = null;
        Thread thread = new(() => fault = Record.Exception(action));
        thread.Start();
        thread.Join();
        Assert.Null(fault);
    }
}
