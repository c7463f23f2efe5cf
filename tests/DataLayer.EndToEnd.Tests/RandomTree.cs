using DataLayer.TestKit;

namespace DataLayer.EndToEnd.Tests;

/// <summary>Makes directory trees with everything a NAS may hold: odd names, sizes at every edge, links, holes, old times.</summary>
static class RandomTree
{
    // Around the units of the format: 0, 1, page, FUSE request, pack threshold (1 MiB) and its neighbours, several units.
    static readonly int[] EdgeSizes = [0, 1, 4095, 4096, 4097, 131071, 131072, 131073, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (2 << 20) + 12345, 5 << 20];

    /// <param name="files">Random files beside the fixed odd ones.</param>
    public static void Create(string root, int seed, int files = 300)
    {
        Random random = new(seed);
        List<string> directories = [root];
        for (int i = 0; i < files / 8; i++)
        {
            string parent = directories[random.Next(directories.Count)];
            string child = Path.Combine(parent, Name(random, i));
            Directory.CreateDirectory(child);
            directories.Add(child);
        }

        for (int i = 0; i < files; i++)
        {
            int size = i < EdgeSizes.Length ? EdgeSizes[i] : (int)Math.Exp(random.NextDouble() * Math.Log(300_000));
            byte[] content = new byte[size];
            random.NextBytes(content);
            string path = Path.Combine(directories[random.Next(directories.Count)], Name(random, i) + ".bin");
            File.WriteAllBytes(path, content);
            File.SetUnixFileMode(path, (UnixFileMode)(0x100 | random.Next(0x200))); // owner may read, the rest is random
        }

        // What .NET cannot name or make: bytes that are no UTF-8, links, holes, times before 1970 and with nanoseconds.
        Shell.Bash("""
            set -e
            cd -- "$1"
            deep=deep; for i in $(seq 40); do deep=$deep/level$i; done; mkdir -p "$deep"; echo bottom > "$deep/file"
            mkdir wide; for i in $(seq 1500); do echo $i > wide/entry-$i; done
            printf one > $'new\nline'; printf two > "quote'\"\\back"; printf three > $'not\xff\xfeutf8'; printf four > 'ünïcödé 数据 🚀'
            printf five > ' leading space'; printf six > '-dash'; printf seven > '*?[glob]'; printf eight > $'\x01\x7f\t'
            mkdir $'dir\x80'; printf nine > $'dir\x80/inner'
            long=$(printf 'n%.0s' $(seq 255)); printf ten > "$long"
            ln -s 'no such target' dangling; ln -s /etc/passwd absolute; ln -s . self; ln -s $'new\nline' link; ln -s ../../../outside up
            ln $'new\nline' hardlink
            truncate -s 3M sparse; printf data | dd of=sparse bs=1 seek=2000000 conv=notrunc status=none
            mkdir empty locked; chmod 0711 locked; chmod 01777 empty
            touch -d '1965-03-04 05:06:07.123456789' old; touch -d '2038-01-20 00:00:00.5' future; touch -d '2001-02-03 04:05:06.987654321' wide
            chown 1234:5678 old
            """, root).Checked.ToString();
    }

    static string Name(Random random, int i) => $"{(char)('a' + random.Next(26))}{random.Next(1000)}-{i}";
}
