using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>Is told what comes into a store and goes out of it, in order, under the store's lock: answers at once.</summary>
internal interface IBlockObserver
{
    /// <summary>The store is being read anew, or another process took it over: what was told before is void.</summary>
    void Cleared();

    /// <param name="isPack">Otherwise a large file.</param>
    /// <param name="bytes">Bytes of content that it has more than before.</param>
    void Changed(BlockFileId block, bool isPack, long bytes);

    void Removed(BlockFileId block, bool isPack);
}
