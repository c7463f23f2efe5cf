using System.Buffers.Binary;
using DataLayer.Formats;

namespace DataLayer.Cache.Tests;

/// <summary>
/// A snapshot in memory: files of given sizes, the small ones packed in order. Contents are a pure function of dataset
/// seed and file, so any reader can check every byte.
/// </summary>
internal sealed class FakeSnapshot : IBlockLayout
{
    readonly FileLocation[] _files;
    readonly List<(BlockSpec Spec, List<int> Files)> _packs = [];
    readonly HashSet<BlockFileId> _blocks = [];

    public FakeSnapshot(int seed, IReadOnlyList<int> sizes, int packTarget = 1 << 20, int packThreshold = 1 << 20)
    {
        Seed = seed;
        _files = new FileLocation[sizes.Count];
        List<int> pack = [];
        long packLength = 0;
        void EndPack()
        {
            if (pack.Count == 0) return;
            BlockFileId id = IdOf(pack[0], sizes);
            foreach (int i in pack) _files[i] = _files[i] with { BlockFile = id };
            _packs.Add((new BlockSpec(id, true, packLength, pack.Count), pack));
            pack = [];
            packLength = 0;
        }
        for (int i = 0; i < sizes.Count; i++)
        {
            if (sizes[i] > packThreshold)
            {
                _files[i] = new FileLocation(new EntryIndex(i), IdOf(i, sizes), -1, 0, 0, sizes[i]);
                continue;
            }
            if (packLength > 0 && packLength + sizes[i] > packTarget) EndPack();
            _files[i] = new FileLocation(new EntryIndex(i), default, _packs.Count, pack.Count, packLength, sizes[i]);
            pack.Add(i);
            packLength += sizes[i];
        }
        EndPack();
        _blocks = [.. _files.Select(f => f.BlockFile)];
    }

    BlockFileId IdOf(int file, IReadOnlyList<int> sizes)
    {
        byte[] recipe = new byte[12];
        BinaryPrimitives.WriteInt32LittleEndian(recipe, Seed);
        BinaryPrimitives.WriteInt32LittleEndian(recipe.AsSpan(4), file);
        BinaryPrimitives.WriteInt32LittleEndian(recipe.AsSpan(8), sizes[file]);
        return new BlockFileId(Digest.Of(recipe));
    }

    public int Seed { get; }
    public IReadOnlyList<FileLocation> Files => _files;
    public long TotalBytes => _files.Sum(f => f.Length);
    public int PackCount => _packs.Count;
    public FileLocation Locate(EntryIndex file) => _files[file.Value];
    public FileLocation[] GetPackFiles(int pack) => [.. _packs[pack].Files.Select(i => _files[i])];
    public BlockSpec GetPack(int pack) => _packs[pack].Spec;
    public BlockFileId GetPackId(int pack) => _packs[pack].Spec.Id;
    public bool Contains(BlockFileId block) => _blocks.Contains(block);

    public (int Source, SourceFile File) GetSourceFile(EntryIndex file)
    {
        byte[] key = new byte[8];
        BinaryPrimitives.WriteInt32LittleEndian(key, Seed);
        BinaryPrimitives.WriteInt32LittleEndian(key.AsSpan(4), file.Value);
        return (0, new SourceFile(key, _files[file.Value].Length, []));
    }

    public static void Content(int seed, int file, long offset, Span<byte> destination)
    {
        // SplitMix64 of (seed, file, word): cheap, and no two files or offsets look alike.
        ulong salt = (ulong)(uint)seed << 32 | (uint)file;
        Span<byte> word = stackalloc byte[8];
        for (int i = 0; i < destination.Length;)
        {
            long at = offset + i;
            ulong z = (salt * 0xD1342543DE82EF95) + ((ulong)(at >> 3) + 1) * 0x9E3779B97F4A7C15;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            z ^= z >> 31;
            int within = (int)(at & 7), count = Math.Min(8 - within, destination.Length - i);
            if (count == 8) BinaryPrimitives.WriteUInt64LittleEndian(destination[i..], z);
            else
            {
                BinaryPrimitives.WriteUInt64LittleEndian(word, z);
                word.Slice(within, count).CopyTo(destination[i..]);
            }
            i += count;
        }
    }

    public byte[] Content(FileLocation file, long offset, int length)
    {
        byte[] bytes = new byte[Math.Clamp(file.Length - offset, 0, length)];
        Content(Seed, file.Entry.Value, offset, bytes);
        return bytes;
    }

    /// <summary>Sizes with a mean of about 112 KB between 4 KB and 1 MB, log-normal, as training images have.</summary>
    public static int[] LogNormal(int count, int seed, double scale = 1)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            return (int)(Math.Clamp(Math.Exp(Math.Log(72_000) + 0.95 * normal), 4 << 10, 1 << 20) * scale);
        })];
    }
}
