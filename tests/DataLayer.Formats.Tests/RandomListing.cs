namespace DataLayer.Formats.Tests;

/// <summary>Random listings without conflicts: any bytes in names, deep and wide, every kind and tag form.</summary>
static class RandomListing
{
    internal static List<SourceEntry> Make(Random random, int count)
    {
        Dictionary<string, SourceEntry> entries = [];
        List<string> directories = [""];
        HashSet<string> taken = [""];
        while (entries.Count < count)
        {
            string parent = directories[random.Next(directories.Count)];
            string name = Name(random);
            string path = parent.Length == 0 ? name : $"{parent}/{name}";
            if (path.Length > 2000 || !taken.Add(path)) continue;
            switch (random.Next(12))
            {
                case 0:
                    directories.Add(path);
                    entries[path] = ListedSource.Directory(path, random.NextInt64(), random.Next(0x1000), random.NextInt64(uint.MaxValue), random.Next(3));
                    break;
                case 1:
                    directories.Add(path);
                    entries[path] = ListedSource.File(path + "/", size: 0);
                    entries[path] = entries[path] with { Kind = random.Next(2) == 0 ? EntryKind.File : EntryKind.Directory };
                    break;
                case 2:
                    // Implied only: exists when something below it comes.
                    directories.Add(path);
                    string below = path + "/only";
                    if (taken.Add(below)) entries[below] = ListedSource.File(below);
                    break;
                case 3:
                    entries[path] = ListedSource.Symlink(path, "../" + name);
                    break;
                default:
                    entries[path] = File(random, path);
                    break;
            }
        }
        List<SourceEntry> listing = [.. entries.Values];
        return listing;
    }

    static SourceEntry File(Random random, string path)
    {
        string tag = random.Next(5) switch
        {
            0 => "",
            1 => Raw(random, 16),
            2 => Raw(random, random.Next(1, 2049)),
            3 => $"{random.NextInt64():x32}-{random.Next(1, 10000)}",
            _ => $"{random.NextInt64():x32}",
        };
        return ListedSource.File(path, Size(random), Mtime(random), tag) with { Mode = random.Next(-1, 3), Uid = random.Next(-1, 2) };
    }

    internal static long Size(Random random) => random.Next(20) switch
    {
        0 => 0,
        1 => 1,
        2 => (1 << 20) - 1,
        3 => 1 << 20,
        4 => (1 << 20) + 1,
        5 => uint.MaxValue - 1L,
        6 => uint.MaxValue,
        7 => uint.MaxValue + 1L,
        8 => 5L << 30,
        _ => random.Next(1, 300_000),
    };

    static long Mtime(Random random) => random.Next(10) switch
    {
        0 => SourceEntry.NoTime,
        1 => -1,
        2 => random.NextInt64(),
        _ => 1_700_000_000_000_000_000 + random.NextInt64(1L << 40),
    };

    static string Raw(Random random, int length) => new([.. Enumerable.Range(0, length).Select(_ => (char)random.Next(256))]);

    internal static string Name(Random random)
    {
        while (true)
        {
            string name = random.Next(6) switch
            {
                0 => $"shard-{random.Next(100):d5}",
                1 => $"a\nb'\"\\ {random.Next(20)}",
                2 => new string((char)random.Next(1, 256), random.Next(1, 256)),
                _ => Raw(random, random.Next(1, 20)),
            };
            if (name is not "." and not ".." && !name.Contains('/') && !name.Contains('\0')) return name;
        }
    }

    internal static List<T> Shuffled<T>(Random random, IEnumerable<T> items)
    {
        T[] array = [.. items];
        random.Shuffle(array);
        return [.. array];
    }
}
