using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>Which block files a snapshot is made of. Safe for concurrent use.</summary>
internal interface ISnapshotBlocks
{
    int PackCount { get; }
    BlockFileId GetPackId(int pack);
    bool Contains(BlockFileId block);
}
