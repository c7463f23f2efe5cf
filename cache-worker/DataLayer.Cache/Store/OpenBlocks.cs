using System.Collections.Concurrent;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>The block files this process has open, at most so many. Safe for concurrent use; lookups take no lock.</summary>
internal sealed class OpenBlocks
{
    readonly ConcurrentDictionary<BlockFileId, BlockFile> _open = new();
    readonly Queue<BlockFile> _order = new();
    readonly Lock _gate = new();
    readonly int _limit = LimitOf(Libc.OpenFileLimit());

    // Two descriptors each, and half of the process's remain for sockets and everything else. 4,096 packs of 8 MiB are
    // 32 GiB that read without an open(2); each costs about 0.6 KB here and 3 KB in the kernel.
    internal static int LimitOf(long descriptors) => (int)Math.Clamp(descriptors / 4, 16, 4096);

    public BlockFile? Find(BlockFileId id) => _open.TryGetValue(id, out BlockFile? block) && !block.IsRetired ? block : null;

    public void Add(BlockFile block)
    {
        _open[block.Spec.Id] = block;
        List<BlockFile> retired = [];
        lock (_gate)
        {
            _order.Enqueue(block);
            for (int chances = _order.Count; _order.Count > _limit && chances > 0; chances--)
            {
                BlockFile oldest = _order.Dequeue();
                if ((oldest.Touched || oldest.IsInUse) && !oldest.IsRetired && chances > 1)
                {
                    oldest.Touched = false;
                    _order.Enqueue(oldest);
                }
                else retired.Add(oldest);
            }
        }
        foreach (BlockFile old in retired) Retire(old);
    }

    public void Retire(BlockFile block)
    {
        _open.TryRemove(KeyValuePair.Create(block.Spec.Id, block));
        block.Retire();
    }

    /// <summary>Closes the block file with this serial, if it is open: it was evicted.</summary>
    public void Retire(IBlockDirectory directory, BlockFileId id, ulong serial)
    {
        if (_open.TryGetValue(id, out BlockFile? block) && block.Directory == directory && block.Grant.Serial == serial) Retire(block);
    }

    /// <summary>Closes what was granted by another directory than this one (by any, if null).</summary>
    public void RetireOthers(IBlockDirectory? directory)
    {
        foreach (BlockFile block in _open.Values)
            if (block.Directory != directory) Retire(block);
    }
}
