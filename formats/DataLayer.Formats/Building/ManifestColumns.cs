namespace DataLayer.Formats;

/// <summary>Everything of a manifest between the merge and the final file: one spool per section.</summary>
internal sealed class ManifestColumns(TempFiles temp) : IDisposable
{
    internal readonly Spool Classes = new(temp);
    internal readonly ColumnSpool Size = new(temp);
    internal readonly ColumnSpool Mtime = new(temp, rebase: true);
    internal readonly ColumnSpool Class = new(temp);
    internal readonly ColumnSpool Node = new(temp);
    internal readonly ColumnSpool TagA = new(temp, rebase: true);
    internal readonly ColumnSpool TagB = new(temp, rebase: true);
    internal readonly ColumnSpool NameOffset = new(temp);
    internal readonly ColumnSpool NameFence = new(temp);
    internal readonly Spool Names = new(temp);
    internal readonly ColumnSpool DirectoryFirst = new(temp);
    internal readonly ColumnSpool DirectoryEntry = new(temp);
    internal readonly ColumnSpool DirectoryShared = new(temp);
    internal readonly ColumnSpool NodeTable = new(temp);
    internal readonly Spool SizeOverflow = new(temp);
    internal readonly ColumnSpool BlockPack = new(temp);
    internal readonly ColumnSpool BlockOffset = new(temp);
    internal readonly ColumnSpool BlockUnit = new(temp);
    internal readonly Spool Packs = new(temp);
    internal readonly ColumnSpool PackIndex = new(temp);
    internal readonly Spool LargeIndex = new(temp);
    internal readonly Spool Heap = new(temp);
    internal readonly Spool Report = new(temp);

    IEnumerable<IDisposable> All =>
    [
        Classes, Size, Mtime, Class, Node, TagA, TagB, NameOffset, NameFence, Names, DirectoryFirst,
        DirectoryEntry, DirectoryShared, NodeTable, SizeOverflow, BlockPack, BlockOffset, BlockUnit, Packs, PackIndex, LargeIndex, Heap, Report,
    ];

    public void Dispose()
    {
        foreach (IDisposable spool in All) spool.Dispose();
    }
}
