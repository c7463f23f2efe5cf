using System.Buffers;
using System.Security.Cryptography;
using DataLayer.Formats;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.EndToEndBenchmarks.Data;

/// <summary>
/// A generated data set in a folder: its index, its blob, and, where asked for, the same files as a plain directory.
/// Made once and kept: a finished file carries its final name, an interrupted one a temporary name.
/// </summary>
internal sealed class Dataset : IDisposable
{
    private const int ChunkBytes = 1 << 20;
    private readonly string _folder;

    private Dataset(DatasetSpec spec, string folder)
    {
        Spec = spec;
        _folder = folder;
        Index = new DatasetIndex(IndexPath);
    }

    internal DatasetSpec Spec { get; }

    internal DatasetIndex Index { get; }

    internal string IndexPath => Path.Combine(_folder, Spec.FileName + ".index");

    internal string BlobPath => Path.Combine(_folder, Spec.FileName + ".blob");

    /// <summary>The data set in <paramref name="folder"/>, generated when it is not there yet.</summary>
    internal static Dataset Open(DatasetSpec spec, string folder)
    {
        Directory.CreateDirectory(folder);
        string blob = Path.Combine(folder, spec.FileName + ".blob");
        string index = Path.Combine(folder, spec.FileName + ".index");
        // The index is renamed last: where it exists, the blob is complete.
        if (!File.Exists(index) || !File.Exists(blob)) Generate(spec, blob, index);
        return new Dataset(spec, folder);
    }

    /// <summary>A data set that is in the folder already.</summary>
    internal static Dataset OpenExisting(string folder, string fileName)
    {
        var spec = DatasetSpec.FromFileName(fileName);
        return File.Exists(Path.Combine(folder, fileName + ".index"))
            ? new Dataset(spec, folder)
            : throw new FileNotFoundException($"{folder} has no data set {fileName}");
    }

    /// <summary>The files as a plain directory below <paramref name="parent"/>; copied from the blob when not there yet.</summary>
    internal string Materialize(string parent)
    {
        string finished = Path.Combine(parent, Spec.FileName);
        if (Directory.Exists(finished)) return finished;
        string unfinished = finished + ".unfinished";
        if (Directory.Exists(unfinished)) Directory.Delete(unfinished, true);
        Directory.CreateDirectory(unfinished);
        using SafeFileHandle blob = File.OpenHandle(BlobPath);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(ChunkBytes);
        string? lastDirectory = null;
        for (int i = 0; i < Index.Count; i++)
        {
            string path = Path.Combine(unfinished, Spec.PathOf(i));
            string directory = Path.GetDirectoryName(path)!;
            if (directory != lastDirectory) Directory.CreateDirectory(lastDirectory = directory);
            ref readonly IndexEntry entry = ref Index[i];
            using SafeFileHandle file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write, preallocationSize: entry.Size);
            for (long done = 0; done < entry.Size;)
            {
                int want = (int)Math.Min(ChunkBytes, entry.Size - done);
                int got = RandomAccess.Read(blob, buffer.AsSpan(0, want), entry.Offset + done);
                if (got == 0) throw new InvalidDataException($"{BlobPath} is shorter than its index says; delete both");
                RandomAccess.Write(file, buffer.AsSpan(0, got), done);
                done += got;
            }
        }

        ArrayPool<byte>.Shared.Return(buffer);
        Directory.Move(unfinished, finished);
        return finished;
    }

    public void Dispose() => Index.Dispose();

    /// <summary>The seed of a file's <see cref="Content"/>.</summary>
    internal static ulong SeedOf(int index) => 0x5EED_0000 + (ulong)index;

    private static void Generate(DatasetSpec spec, string blobPath, string indexPath)
    {
        long[] sizes = spec.Sizes();
        var entries = new IndexEntry[spec.Files];
        var keys = new string[spec.Files];
        long end = 0;
        for (int i = 0; i < spec.Files; i++)
        {
            keys[i] = spec.PathOf(i);
            entries[i].Offset = end;
            entries[i].Size = sizes[i];
            end += sizes[i];
        }

        string unfinishedBlob = blobPath + ".unfinished", unfinishedIndex = indexPath + ".unfinished";
        using (SafeFileHandle blob = File.OpenHandle(unfinishedBlob, FileMode.Create, FileAccess.Write, preallocationSize: end))
        {
            // MD5 (0.6 GB/s a core) is what takes the time: all cores.
            Parallel.For(0, spec.Files, i => WriteFile(blob, ref entries[i], SeedOf(i)));
        }

        DatasetIndex.Write(unfinishedIndex, entries, keys);
        File.Move(unfinishedBlob, blobPath, true);
        File.Move(unfinishedIndex, indexPath, true);
    }

    private static void WriteFile(SafeFileHandle blob, ref IndexEntry entry, ulong seed)
    {
        using var md5 = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(ChunkBytes);
        for (long done = 0; done < entry.Size; done += ChunkBytes)
        {
            Span<byte> chunk = buffer.AsSpan(0, (int)Math.Min(ChunkBytes, entry.Size - done));
            Content.Fill(chunk, seed, done);
            md5.AppendData(chunk);
            entry.Crc = Crc32C.Compute(chunk, entry.Crc);
            RandomAccess.Write(blob, chunk, entry.Offset + done);
        }

        ArrayPool<byte>.Shared.Return(buffer);
        md5.GetHashAndReset(entry.Md5);
    }
}
