using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace DataLayer.Fuse.Tests;

/// <summary>The journal as a successor finds it, whatever the moment its predecessor died at.</summary>
public sealed class RequestJournalTests : IDisposable
{
    readonly SafeFileHandle _memory = RequestJournal.Create();

    /// <summary>As the kernel writes it.</summary>
    static unsafe void Arrive(byte* landing, ulong unique, FuseOpcode opcode = FuseOpcode.Read, int length = 80)
    {
        Span<byte> message = new(landing, DeviceWorker.BufferSize);
        for (int i = FuseInHeader.Size; i < length; i++) message[i] = (byte)(unique + (ulong)i);
        MemoryMarshal.Write(message, new FuseInHeader { Len = (uint)length, Opcode = (uint)opcode, Unique = unique });
    }

    static ulong[] Left(RequestJournal journal, int device) =>
        [.. journal.LeftOf(device).Select(slot => MemoryMarshal.Read<FuseInHeader>(journal.MessageOf(slot)).Unique).Order()];

    static unsafe int ArriveAndPark(RequestJournal journal)
    {
        Arrive(journal.LandingOf(0), 2);
        return journal.Park(journal.LandingOf(0), 0);
    }

    [Fact]
    public unsafe void A_request_that_was_read_and_not_parked_is_left_to_its_device()
    {
        using (RequestJournal before = RequestJournal.Open(_memory, devices: 2))
        {
            Arrive(before.LandingOf(0), 10);
            Arrive(before.LandingOf(1), 12, length: 8192);
            Arrive(before.LandingOf(5), 14); // A worker that shares the first descriptor.
        }
        using RequestJournal after = RequestJournal.Open(_memory, devices: 2);
        Assert.Equal([10UL, 14], Left(after, 0));
        Assert.Equal([12UL], Left(after, 1));
        ReadOnlySpan<byte> message = after.MessageOf(after.LeftOf(1)[0]);
        Assert.Equal(8192, message.Length);
        for (int i = FuseInHeader.Size; i < message.Length; i++) Assert.Equal((byte)(12 + i), message[i]);
    }

    [Fact]
    public unsafe void A_parked_request_is_left_until_it_is_released()
    {
        int slot;
        using (RequestJournal before = RequestJournal.Open(_memory, 1))
        {
            Arrive(before.LandingOf(0), 20);
            slot = before.Park(before.LandingOf(0), 0);
            RequestJournal.Clear(before.LandingOf(0));
        }
        using (RequestJournal after = RequestJournal.Open(_memory, 1))
        {
            Assert.Equal([20UL], Left(after, 0));
            Assert.Equal([slot], after.LeftOf(0));
            after.Release(slot);
        }
        using RequestJournal last = RequestJournal.Open(_memory, 1);
        Assert.Empty(last.LeftOf(0));
    }

    [Fact]
    public void One_that_is_answered_after_the_end_of_the_connection_touches_nothing()
    {
        RequestJournal ended = RequestJournal.Open(_memory, 1);
        int slot = ArriveAndPark(ended);
        ended.Dispose();
        ended.Release(slot);
        using RequestJournal after = RequestJournal.Open(_memory, 1);
        Assert.Equal([slot], after.LeftOf(0));
    }

    [Fact]
    public unsafe void One_that_was_being_parked_is_left_once()
    {
        using (RequestJournal before = RequestJournal.Open(_memory, 1))
        {
            Arrive(before.LandingOf(0), 30);
            before.Park(before.LandingOf(0), 0);
        }
        using RequestJournal after = RequestJournal.Open(_memory, 1);
        Assert.Equal([30UL], Left(after, 0));
    }

    [Fact]
    public unsafe void What_was_answered_and_what_wants_no_answer_is_not_left()
    {
        using (RequestJournal before = RequestJournal.Open(_memory, 3))
        {
            Arrive(before.LandingOf(0), 40);
            RequestJournal.Clear(before.LandingOf(0));
            Arrive(before.LandingOf(1), 42, FuseOpcode.BatchForget);
            Arrive(before.LandingOf(2), 44, FuseOpcode.Interrupt);
        }
        using RequestJournal after = RequestJournal.Open(_memory, 3);
        for (int device = 0; device < 3; device++) Assert.Empty(after.LeftOf(device));
    }

    [Fact]
    public unsafe void Random_lives_and_deaths_leave_exactly_what_was_not_answered()
    {
        const int seed = 3, devices = 3;
        Random random = new(seed);
        HashSet<ulong>[] expected = [[], [], []];
        ulong unique = 2;
        for (int life = 0; life < 50; life++)
        {
            using RequestJournal journal = RequestJournal.Open(_memory, devices);
            for (int device = 0; device < devices; device++) Assert.True(expected[device].SetEquals(Left(journal, device)), $"seed {seed}, life {life}");
            for (int step = 0; step < 40; step++)
            {
                int device = random.Next(devices);
                if (random.Next(2) == 0 && journal.LeftOf(device) is { Count: > 0 } left)
                {
                    int slot = left[random.Next(left.Count)];
                    expected[device].Remove(MemoryMarshal.Read<FuseInHeader>(journal.MessageOf(slot)).Unique);
                    journal.Release(slot);
                    continue;
                }
                Arrive(journal.LandingOf(device), unique += 2, length: random.Next(FuseInHeader.Size, DeviceWorker.BufferSize));
                if (random.Next(2) == 0)
                {
                    journal.Park(journal.LandingOf(device), device);
                    expected[device].Add(unique);
                }
                RequestJournal.Clear(journal.LandingOf(device));
            }
            // Dies with a request just read.
            int last = random.Next(devices);
            Arrive(journal.LandingOf(last), unique += 2);
            expected[last].Add(unique);
        }
    }

    [Fact]
    public async Task A_full_journal_makes_its_workers_wait_for_an_answer()
    {
        using RequestJournal journal = RequestJournal.Open(_memory, 1);
        int first = ArriveAndPark(journal);
        for (int i = 1; i < 1024; i++) ArriveAndPark(journal);
        Task<int> waiting = Task.Run(() => ArriveAndPark(journal));
        Assert.False(waiting.IsCompleted);
        journal.Release(first);
        Assert.Equal(first, await waiting.WaitAsync(TestReader.Patience));
    }

    [Fact]
    public void Foreign_memory_is_refused()
    {
        using SharedRegion other = SharedRegion.Create("test", 16 << 20);
        Assert.Throws<FuseException>(() => RequestJournal.Open(other.Descriptor, 1));
        using SharedRegion small = SharedRegion.Create("test", 4096);
        Assert.Throws<FuseException>(() => RequestJournal.Open(small.Descriptor, 1));
    }

    public void Dispose() => _memory.Dispose();
}
