using System.Collections.Concurrent;
using System.Security.Cryptography;
using DataLayer.Formats;

namespace DataLayer.Sources.Odps;

/// <summary>
/// Small derived files by digest: what the files of <c>.table/</c> are made from. The first folder is written to, all are
/// searched; without any, or when writing fails, they live as long as the process. Each file ends with the SHA-256 of what
/// is before it: one that does not match is as if it were not there.
/// </summary>
sealed class TableFolders(IReadOnlyList<string> folders, Action<string>? warn)
{
    readonly ConcurrentDictionary<string, byte[]> memory = new();
    int warned;

    /// <param name="kind">The file's extension: "json", "index", "table" or "rows".</param>
    public byte[]? TryRead(Digest id, string kind)
    {
        string name = $"{id}.{kind}";
        if (memory.TryGetValue(name, out byte[]? known)) return known;
        foreach (string folder in folders)
        {
            string path = Path.Combine(folder, name);
            try
            {
                byte[] bytes = File.ReadAllBytes(path);
                if (bytes.Length < Digest.Size) continue;
                byte[] content = bytes[..^Digest.Size];
                if (!SHA256.HashData(content).AsSpan().SequenceEqual(bytes.AsSpan(content.Length))) continue;
                File.SetLastWriteTimeUtc(path, DateTime.UtcNow);
                return content;
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
            {
                continue;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Warn($"{path}: {e.Message}");
            }
        }
        return null;
    }

    public void Write(Digest id, string kind, byte[] content)
    {
        string name = $"{id}.{kind}";
        if (folders.Count == 0)
        {
            memory[name] = content;
            return;
        }
        string path = Path.Combine(folders[0], name);
        string temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            Directory.CreateDirectory(folders[0]);
            using (FileStream file = new(temporary, FileMode.CreateNew))
            {
                file.Write(content);
                file.Write(SHA256.HashData(content));
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Warn($"{folders[0]}: {e.Message}; the row index is kept in memory and made again next time");
            memory[name] = content;
            if (File.Exists(temporary)) File.Delete(temporary);
        }
    }

    /// <summary>Stores content under its own digest, and returns it.</summary>
    public Digest Write(string kind, byte[] content)
    {
        Digest id = Digest.Of(content);
        Write(id, kind, content);
        return id;
    }

    void Warn(string message)
    {
        if (Interlocked.Exchange(ref warned, 1) == 0) warn?.Invoke(message);
    }
}
