using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// Names below a cache directory: <c>version</c>, <c>lock</c>, <c>socket</c>, <c>datasets/TAG</c> (a dataset's name; its
/// modification time is the last use) and <c>blocks/xx/ID</c> (data) beside <c>blocks/xx/ID.TAG</c> (sidecar). The tag
/// stands in the sidecar's name so that a scan learns whose a block is without opening it.
/// </summary>
internal sealed class StorePaths(string root)
{
    public string Root { get; } = root;
    public string Version => Path.Combine(Root, "version");
    public string Lock => Path.Combine(Root, "lock");
    public string Socket => Path.Combine(Root, "socket");
    public string Blocks => Path.Combine(Root, "blocks");
    public string Datasets => Path.Combine(Root, "datasets");

    public string Folder(int firstByte) => Path.Combine(Blocks, firstByte.ToString("x2"));
    public string Data(BlockFileId id) => Path.Combine(Folder((int)(id.Value.A >> 56)), id.ToString());
    public string Sums(BlockFileId id, DatasetTag tag) => $"{Data(id)}.{tag}";
    public string Dataset(DatasetTag tag) => Path.Combine(Datasets, tag.ToString());
}
