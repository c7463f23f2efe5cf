using System.Runtime.CompilerServices;
using DataLayer.Formats;

namespace DataLayer.Sources.Odps;

/// <summary>
/// A table exported from ODPS (MaxCompute), on any other source: its files as they are, and <c>.table/</c> beside them.
/// Every file of <c>.table/</c> is an ordinary entry of the manifest with a size and a version tag
/// (<see cref="DerivedFile"/>). Row views are generated when they are read: their tag names a <see cref="StoredTable"/>,
/// which lists the input files with the versions they had and the size of each one's text, so that a byte range is a span
/// of rows of one of them, found through its <see cref="RowIndex"/>. Table, indexes and JSON files are kept in
/// <see cref="TableFolders"/>; what is missing there is made again from the source, and is the same or not found.
/// </summary>
internal sealed class OdpsSource : ISource
{
    public const string Scheme = "odps+";

    const int PageSize = 1000;

    readonly ISource source;
    readonly SourceOptions options;
    readonly TableFolders folders;
    readonly TableRows rows;
    readonly HashSet<string> told = [];
    readonly Lock gate = new();
    Listing? lastListing;
    StoredBytes? lastStored;
    OpenTable? lastTable;
    Task rebuilding = Task.CompletedTask;

    sealed record Listing(Digest Id, IReadOnlyList<SourceEntry> Entries);

    sealed record StoredBytes(Digest Id, byte[] Content);

    sealed record OpenTable(Digest Id, StoredTable Table);

    public OdpsSource(ISource source, SourceOptions options)
    {
        options.Odps.Validate();
        if (options.Odps.Where is { } where) PartitionFilter.Parse(where);
        this.source = source;
        this.options = options;
        folders = new TableFolders(options.TableFolders, options.Notify);
        rows = new TableRows(source, folders);
    }

    public string Identity => Scheme + source.Identity;

    public async IAsyncEnumerable<IReadOnlyList<SourceEntry>> ListAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        IReadOnlyList<SourceEntry> entries = await BuildAsync(again: false, cancellation);
        for (int first = 0; first < entries.Count; first += PageSize) yield return [.. entries.Skip(first).Take(PageSize)];
    }

    public async ValueTask ReadAsync(SourceFile file, long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        if (destination.IsEmpty) return;
        if (DerivedFile.TryParseFile(file, out SourceFile below))
        {
            await source.ReadAsync(below, offset, destination, cancellation);
        }
        else if (DerivedFile.TryParseStored(file.VersionTag, out Digest content))
        {
            byte[] bytes = await StoredAsync(content, cancellation);
            if (offset + destination.Length > bytes.Length) throw NotMadeFromThis(file);
            bytes.AsMemory((int)offset, destination.Length).CopyTo(destination);
        }
        else if (DerivedFile.TryParseView(file.VersionTag, out Digest id, out RowFormat format, out long start))
        {
            StoredTable table = await TableAsync(id, cancellation);
            if (start + offset + destination.Length > table.Bytes(format)) throw NotMadeFromThis(file);
            await rows.ReadAsync(id, table, format, start + offset, destination, cancellation);
        }
        else
        {
            throw NotMadeFromThis(file);
        }
    }

    async Task<IReadOnlyList<SourceEntry>> BuildAsync(bool again, CancellationToken cancellation)
    {
        ExportLayout layout = await ExportLayout.ReadAsync(source, options.Odps, cancellation);
        // A refresh of an export that did not change costs its listing, and no look into its files.
        Digest id = layout.Id();
        if (!again && Volatile.Read(ref lastListing) is { } last && last.Id == id) return last.Entries;
        (IReadOnlyList<SourceEntry> entries, IReadOnlyList<string> notices) =
            await new ExportTable(source, options.Odps, folders, options.Indexing).BuildAsync(layout, cancellation);
        Volatile.Write(ref lastListing, new Listing(id, entries));
        foreach (string notice in notices)
        {
            // Once each, not at every refresh.
            bool isNew;
            lock (gate) isNew = told.Add(notice);
            if (isNew) options.Notify?.Invoke($"{Identity}: {notice}");
        }
        return entries;
    }

    async ValueTask<byte[]> StoredAsync(Digest id, CancellationToken cancellation)
    {
        if (Volatile.Read(ref lastStored) is { } last && last.Id == id) return last.Content;
        byte[] content = await FindAsync(id, "stored", cancellation);
        Volatile.Write(ref lastStored, new StoredBytes(id, content));
        return content;
    }

    async ValueTask<StoredTable> TableAsync(Digest id, CancellationToken cancellation)
    {
        if (Volatile.Read(ref lastTable) is { } last && last.Id == id) return last.Table;
        StoredTable table = StoredTable.Decode(await FindAsync(id, "table", cancellation));
        Volatile.Write(ref lastTable, new OpenTable(id, table));
        return table;
    }

    /// <summary>Derived bytes from the folders, or made again: the export, unchanged, gives the same.</summary>
    async Task<byte[]> FindAsync(Digest id, string kind, CancellationToken cancellation)
    {
        if (folders.TryRead(id, kind) is { } found) return found;
        Task rebuild;
        lock (gate)
        {
            // Not under a reader's token: it may take longer than a reader waits, and then serves the next one.
            if (rebuilding.IsCompleted) rebuilding = Task.Run(() => BuildAsync(again: true, CancellationToken.None));
            rebuild = rebuilding;
        }
        await rebuild.WaitAsync(cancellation);
        return folders.TryRead(id, kind) ?? throw new SourceException(SourceFault.Changed,
            $"{Identity}: the index of this snapshot's .table is not stored here, and the export or its options (--rows, --columns, --where, …) are no longer those it was made from; make a new snapshot.");
    }

    SourceException NotMadeFromThis(in SourceFile file) => new(SourceFault.Misconfigured,
        $"{Identity}/{System.Text.Encoding.UTF8.GetString(file.Key)}: the snapshot was not made from this export; make a new one.");

    public async ValueTask DisposeAsync()
    {
        rows.Dispose();
        await source.DisposeAsync();
    }
}
