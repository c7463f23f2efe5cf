using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>What the cache needs to know of a snapshot; safe for concurrent use.</summary>
internal interface IBlockLayout : ISnapshotBlocks
{
    FileLocation Locate(EntryIndex file);

    /// <summary>The files of a pack in unit order.</summary>
    FileLocation[] GetPackFiles(int pack);

    BlockSpec GetPack(int pack);

    /// <summary>Ordinal of the source the file comes from, and what that source needs to read it.</summary>
    (int Source, SourceFile File) GetSourceFile(EntryIndex file);
}

internal sealed class ManifestLayout(Manifest manifest) : IBlockLayout
{
    public FileLocation Locate(EntryIndex file) => manifest.Locate(file);
    public FileLocation[] GetPackFiles(int pack) => manifest.GetPackFiles(pack);
    public int PackCount => manifest.PackCount;
    public BlockFileId GetPackId(int pack) => manifest.GetPack(pack).Id;

    public BlockSpec GetPack(int pack)
    {
        PackInfo info = manifest.GetPack(pack);
        return new BlockSpec(info.Id, true, info.Length, info.FileCount);
    }

    public (int Source, SourceFile File) GetSourceFile(EntryIndex file) => (manifest.Get(file).Source, manifest.GetSourceFile(file));
    public bool Contains(BlockFileId block) => manifest.ContainsBlockFile(block);
}
