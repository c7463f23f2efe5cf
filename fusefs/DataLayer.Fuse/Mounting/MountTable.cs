using System.Text;

namespace DataLayer.Fuse;

/// <summary>One line of /proc/self/mountinfo; later lines lie on top of earlier ones.</summary>
/// <param name="Path">Raw bytes, octal escapes undone.</param>
/// <param name="Minor">Of st_dev; for FUSE also the number of its connection.</param>
readonly record struct MountEntry(int Id, int Major, int Minor, byte[] Path, string Type, string Source);

/// <summary>The mounts of this namespace, read without touching any of them (a dead daemon's mount would hang or fail).</summary>
static class MountTable
{
    public static List<MountEntry> Read() => Parse(File.ReadAllBytes("/proc/self/mountinfo"));

    /// <summary>The mount that a lookup of <paramref name="path"/> reaches: the last one at exactly this path.</summary>
    public static MountEntry? TopAt(ReadOnlySpan<byte> path)
    {
        List<MountEntry> all = Read();
        for (int i = all.Count - 1; i >= 0; i--)
        {
            if (path.SequenceEqual(all[i].Path)) return all[i];
        }
        return null;
    }

    /// <summary>Lines that do not parse are left out: a newer kernel may add what it likes.</summary>
    internal static List<MountEntry> Parse(ReadOnlySpan<byte> text)
    {
        List<MountEntry> entries = [];
        foreach (Range range in text.Split((byte)'\n'))
        {
            if (TryParseLine(text[range], out MountEntry entry)) entries.Add(entry);
        }
        return entries;
    }

    // proc(5): 36 35 98:0 /root /mnt/point rw,noatime master:1 ... - ext3 /dev/root rw,errors=continue
    static bool TryParseLine(ReadOnlySpan<byte> line, out MountEntry entry)
    {
        entry = default;
        int separator = line.IndexOf(" - "u8);
        if (separator < 0) return false;
        string[] left = Fields(line[..separator]);
        string[] right = Fields(line[(separator + 3)..]);
        if (left.Length < 6 || right.Length < 2) return false;
        int colon = left[2].IndexOf(':');
        if (colon < 0 || !int.TryParse(left[0], out int id) || !int.TryParse(left[2].AsSpan(0, colon), out int major) ||
            !int.TryParse(left[2].AsSpan(colon + 1), out int minor)) return false;
        entry = new MountEntry(id, major, minor, Unescape(left[4]), Encoding.UTF8.GetString(Unescape(right[0])), Encoding.UTF8.GetString(Unescape(right[1])));
        return true;
    }

    // Latin-1 keeps every byte as one character, so that names which are no UTF-8 survive.
    static string[] Fields(ReadOnlySpan<byte> text) => Encoding.Latin1.GetString(text).Split(' ');

    /// <summary>Undoes the kernel's escapes of space, tab, newline, backslash and '#': a backslash and three octal digits.</summary>
    static byte[] Unescape(string field)
    {
        byte[] bytes = new byte[field.Length];
        int length = 0;
        for (int i = 0; i < field.Length; i++)
        {
            if (field[i] == '\\' && i + 3 < field.Length && IsOctal(field[i + 1]) && IsOctal(field[i + 2]) && IsOctal(field[i + 3]))
            {
                bytes[length++] = (byte)((field[i + 1] - '0') << 6 | (field[i + 2] - '0') << 3 | (field[i + 3] - '0'));
                i += 3;
            }
            else
            {
                bytes[length++] = (byte)field[i];
            }
        }
        return bytes[..length];
    }

    static bool IsOctal(char c) => c is >= '0' and <= '7';
}
