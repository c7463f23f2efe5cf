using System.Runtime.CompilerServices;
using DataLayer.Formats;
using DataLayer.Sources.LocalDirectory;

namespace DataLayer.Sources.Nfs;

/// <summary>
/// A directory of an NFS server, reached without mounting it. Names are the bytes that the server has. Symlinks are listed
/// and never followed; hard links become separate files; what the server has mounted below is entered where it shows it;
/// sockets, devices and pipes, and directories without permission, are listed as unsupported. Holes read as zeros.
/// </summary>
internal sealed class NfsSource : ISource
{
    readonly NfsClient _client;

    NfsSource(NfsClient client) => _client = client;

    /// <summary>Nothing is sent yet.</summary>
    /// <param name="uri">See <see cref="NfsLocation"/>.</param>
    /// <exception cref="SourceException">Misconfigured: the name is wrong, or libnfs is not installed.</exception>
    public static NfsSource Open(string uri, SourceOptions options, int mapperPort = 111)
    {
        NfsLocation location = NfsLocation.Parse(uri);
        Libnfs.Require();
        return new NfsSource(new NfsClient(location, options, mapperPort));
    }

    public string Identity => _client.Identity;

    public async IAsyncEnumerable<IReadOnlyList<SourceEntry>> ListAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        NfsWalk walk = new(_client, stop.Token);
        Task walking = walk.RunAsync();
        try
        {
            await foreach (List<SourceEntry> page in walk.Pages.ReadAllAsync(cancellation)) yield return page;
        }
        finally
        {
            await stop.CancelAsync();
            await walking;
        }
    }

    public async ValueTask ReadAsync(SourceFile file, long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        if (destination.IsEmpty) return;
        if (!DirectoryTree.IsKey(file.Key) || !FileIdentity.TryParse(file.VersionTag, out FileIdentity recorded))
            throw new SourceException(SourceFault.Misconfigured, $"{_client.Display(file.Key)}: the snapshot was not made from this export; make a new one.");

        Deadline deadline = _client.NewDeadline();
        int piece = (await _client.RootAsync(deadline, cancellation)).MaxRead;
        // A file that is read in one piece is not read again soon; its handle's place is better given to a directory.
        NfsFileReader reader = new(_client, file, recorded, deadline, keepHandle: file.Size > piece);
        if (destination.Length <= piece)
        {
            await reader.ReadAsync(offset, destination, cancellation);
            return;
        }
        // Once for all pieces.
        await reader.FindAsync(fresh: false, cancellation);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task[] pieces = new Task[(destination.Length + piece - 1) / piece];
        for (int i = 0; i < pieces.Length; i++)
        {
            int start = i * piece;
            pieces[i] = ReadPieceAsync(reader, offset + start, destination.Slice(start, Math.Min(piece, destination.Length - start)), stop);
        }
        // All of them, also after a fault: none may write into memory that the caller has back.
        await Task.WhenAll(pieces).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        ThrowFirst(pieces);
    }

    static async Task ReadPieceAsync(NfsFileReader reader, long offset, Memory<byte> destination, CancellationTokenSource stop)
    {
        try
        {
            await reader.ReadAsync(offset, destination, stop.Token);
        }
        catch (SourceException)
        {
            await stop.CancelAsync();
            throw;
        }
    }

    /// <summary>A fault before the cancellations that it caused.</summary>
    static void ThrowFirst(Task[] pieces)
    {
        Task? failed = Array.Find(pieces, t => t.IsFaulted) ?? Array.Find(pieces, t => t.IsCanceled);
        failed?.GetAwaiter().GetResult();
    }

    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        return ValueTask.CompletedTask;
    }
}
