using DataLayer.Formats;
using DataLayer.Sources.LocalDirectory;

namespace DataLayer.Sources.Nfs;

/// <summary>
/// Reads ranges of one version of a file. The server tells the file's attributes with every read, as they were after it;
/// when they are still those of the listing, nothing changed from the listing up to then, so the bytes are that version's.
/// Whatever speaks against it through something remembered (a file handle, a directory's handle) is looked up afresh, from
/// the root, before it counts. Safe for concurrent use.
/// </summary>
internal sealed class NfsFileReader(NfsClient client, SourceFile file, FileIdentity recorded, Deadline deadline, bool keepHandle)
{
    /// <param name="destination">At most what the server gives in one read; it may give it in several.</param>
    public async Task ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        bool fresh = false;
        long waitedNs = 0;
        while (true)
        {
            long startNs = FileIdentity.NowNs;
            byte[]? handle = await FindAsync(fresh, cancellation);
            if (handle is not null && await TryReadAsync(handle, offset, destination, cancellation) is { } changeNs)
            {
                long unsettledNs = FileIdentity.UnsettledForNs(changeNs, startNs);
                // Once it was watched for the full time, a server's clock ahead of ours is no reason to wait on.
                if (unsettledNs == 0 || waitedNs >= FileIdentity.SettledAfterNs) return;
                await Task.Delay(TimeSpan.FromTicks(unsettledNs / 100 + TimeSpan.TicksPerMillisecond), cancellation);
                waitedNs += unsettledNs;
                continue;
            }
            client.Handles.Remove(file.Key);
            if (fresh) throw client.Changed(file.Key);
            fresh = true;
        }
    }

    /// <summary>The file's handle, checked against the recorded identity unless it is remembered; the read checks then.</summary>
    /// <returns>Null: as far as this way of asking tells, this version is not there any more.</returns>
    public async ValueTask<byte[]?> FindAsync(bool fresh, CancellationToken cancellation)
    {
        if (!fresh && client.Handles.TryGet(file.Key, out byte[] known)) return known;
        NfsFound found = await client.ResolveAsync(file.Key, fresh, deadline, cancellation);
        if (found.Status.IsGone()) return null;
        if (found.Status != NfsStatus.Ok) throw client.Fault(found.Status, "looking it up", file.Key);
        if (!IsRecorded(found.Attributes)) return null;
        if (keepHandle) client.Handles.Set(file.Key, found.Handle);
        return found.Handle;
    }

    /// <returns>When the file last changed; null: this version is not there any more.</returns>
    async ValueTask<long?> TryReadAsync(byte[] handle, long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        long changeNs = long.MinValue;
        while (!destination.IsEmpty)
        {
            ReadCall call = new(client.Protocol, handle, offset, destination);
            NfsStatus status = await client.CallAsync(call, deadline, cancellation);
            if (status.IsStale()) return null;
            if (status != NfsStatus.Ok) throw client.Fault(status, "reading", file.Key);
            NfsAttributes after = call.Reply.Attributes ?? await client.AttributesAsync(handle, file.Key, deadline, cancellation);
            if (!IsRecorded(after)) return null;
            changeNs = after.LastChangeNs;
            if (call.Count == 0)
                throw new SourceException(SourceFault.Unavailable, $"{client.Display(file.Key)}: the server gives no bytes at offset {offset} of a file of {file.Size}.");
            offset += call.Count;
            destination = destination[call.Count..];
        }
        return changeNs;
    }

    bool IsRecorded(in NfsAttributes attributes) =>
        attributes.Type == NfsType.File && attributes.Size == file.Size && attributes.Identity == recorded;
}
