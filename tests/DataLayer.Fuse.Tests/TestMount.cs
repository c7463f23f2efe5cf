using System.Collections.Concurrent;
using DataLayer.TestReader;
using Xunit;

namespace DataLayer.Fuse.Tests;

/// <summary>A real mount of a tree in memory, and a child process that reads it. Leaves nothing behind.</summary>
sealed class TestMount : IDisposable
{
    readonly Lazy<TestReader> _reader = new(static () => new TestReader());

    public TestMount(MemoryFileSystem files, FuseOptions? options = null)
    {
        Files = files;
        Path = Directory.CreateTempSubdirectory("fuse-test-").FullName;
        Connection = FuseConnection.Mount(Path, files, (options ?? new FuseOptions()) with { Log = (_, line) => Lines.Enqueue(line) });
    }

    public MemoryFileSystem Files { get; }
    public string Path { get; }
    public FuseConnection Connection { get; }
    public ConcurrentQueue<string> Lines { get; } = new();
    public TestReader Reader => _reader.Value;

    public string At(string name) => TestReader.Word(System.IO.Path.Combine(Path, name));

    /// <summary>Asks the reader to read a whole file in each of some ways, and checks every byte.</summary>
    public void Verify(string name, MemoryNode file, params string[] ways)
    {
        foreach (string way in ways) Assert.Equal((name, way, "ok"), (name, way, Reader.Ask("verify", way, At(name), file.Seed, file.Size)));
    }

    public void Dispose()
    {
        if (_reader.IsValueCreated) _reader.Value.Dispose();
        Files.ReleaseBlocked();
        Connection.Dispose();
        Assert.True(Connection.Completion.IsCompleted, $"Threads of {Path} still run.");
        Assert.DoesNotContain(FuseMountPoint.List(), mount => mount.Path == Path);
        Directory.Delete(Path);
    }
}
