using Microsoft.Win32.SafeHandles;
using Xunit;

namespace DataLayer.Fuse.Tests;

/// <summary>Messages with descriptors.</summary>
public sealed class DescriptorSocketTests : IDisposable
{
    readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("fuse-test-");

    string Path => System.IO.Path.Combine(_directory.FullName, "socket");

    [Fact]
    public void Messages_arrive_whole_with_descriptors_that_outlive_the_sent_ones()
    {
        using DescriptorSocket listener = DescriptorSocket.Listen(Path);
        using DescriptorSocket client = DescriptorSocket.TryConnect(Path)!;
        using DescriptorSocket server = listener.Accept();
        Assert.Equal(Environment.ProcessId, server.PeerProcess);
        byte[] longest = new byte[DescriptorSocket.LongestMessage];
        Random.Shared.NextBytes(longest);
        List<SafeFileHandle> files = [.. Enumerable.Range(0, 200).Select(index => File.OpenHandle(System.IO.Path.Combine(_directory.FullName, $"{index}"), FileMode.Create, FileAccess.ReadWrite))];
        for (int i = 0; i < files.Count; i++) RandomAccess.Write(files[i], [(byte)i], 0);
        Assert.True(client.Send(longest, files));
        Assert.True(client.Send([7], []));
        foreach (SafeFileHandle file in files) file.Dispose();
        Assert.Equal(longest, server.Receive(out SafeFileHandle[] received));
        Assert.Equal(200, received.Length);
        byte[] one = new byte[1];
        for (int i = 0; i < received.Length; i++)
        {
            RandomAccess.Read(received[i], one, 0);
            Assert.Equal((byte)i, one[0]);
            received[i].Dispose();
        }
        Assert.Equal([7], server.Receive(out received)!);
        Assert.Empty(received);
    }

    [Fact]
    public void An_end_that_is_gone_is_told()
    {
        using DescriptorSocket listener = DescriptorSocket.Listen(Path);
        DescriptorSocket client = DescriptorSocket.TryConnect(Path)!;
        using DescriptorSocket server = listener.Accept();
        client.Dispose();
        Assert.True(DescriptorPoll.Wait([server.Handle], TestReader.Patience)[0]);
        Assert.Null(server.Receive(out _));
        Assert.False(server.Send([1], []));
    }

    [Fact]
    public void Nobody_listening_and_too_much_are_told_apart()
    {
        Assert.Null(DescriptorSocket.TryConnect(Path));
        DescriptorSocket.Listen(Path).Dispose();
        Assert.Null(DescriptorSocket.TryConnect(Path));
        using DescriptorSocket listener = DescriptorSocket.Listen(Path);
        using DescriptorSocket client = DescriptorSocket.TryConnect(Path)!;
        Assert.Throws<FuseException>(() => client.Send(new byte[DescriptorSocket.LongestMessage + 1], []));
        Assert.Throws<FuseException>(() => DescriptorSocket.TryConnect("/tmp/" + new string('x', 200)));
    }

    public void Dispose() => _directory.Delete(recursive: true);
}
