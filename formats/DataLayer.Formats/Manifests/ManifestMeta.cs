using System.Buffers.Binary;
using System.Text;

namespace DataLayer.Formats;

/// <summary>The small section of a manifest that is read whole when it is opened: parameters, counts and sources.</summary>
internal sealed record ManifestMeta
{
    internal required LayoutParameters Layout { get; init; }
    internal required int EntryCount { get; init; }
    internal required int DirectoryCount { get; init; }
    internal required long FileCount { get; init; }
    internal required long TotalBytes { get; init; }
    internal required int PackCount { get; init; }
    internal required int ClassCount { get; init; }
    /// <summary>Slots that node ids are spread over; the table is longer by what the last ones push over its end.</summary>
    internal required int NodeSlots { get; init; }
    /// <summary>Farthest that any entry of the node table lies behind its slot.</summary>
    internal required int NodeProbe { get; init; }
    internal required long UnrepresentableCount { get; init; }
    internal required long ReportedCount { get; init; }
    internal required IReadOnlyList<ManifestSource> Sources { get; init; }

    const int FixedSize = 4 * 8 + 6 * 4 + 4 * 8 + 4;

    internal byte[] Encode()
    {
        using MemoryStream stream = new();
        using BinaryWriter writer = new(stream);
        foreach (long value in (ReadOnlySpan<long>)[Layout.PackThreshold, Layout.PackTarget, Layout.PackLimit, Layout.SliceSize])
            writer.Write(value);
        foreach (int value in (ReadOnlySpan<int>)[EntryCount, DirectoryCount, PackCount, ClassCount, NodeSlots, NodeProbe])
            writer.Write(value);
        foreach (long value in (ReadOnlySpan<long>)[FileCount, TotalBytes, UnrepresentableCount, ReportedCount])
            writer.Write(value);
        writer.Write(Sources.Count);
        foreach (ManifestSource source in Sources)
        {
            WriteText(writer, source.Identity);
            WriteText(writer, source.SubPath);
        }
        return stream.ToArray();
    }

    static void WriteText(BinaryWriter writer, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        writer.Write(bytes.Length);
        writer.Write(bytes);
    }

    /// <exception cref="FormatException">The message says what is wrong.</exception>
    internal static ManifestMeta Decode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < FixedSize) throw new FormatException("its description is too short");
        ReadOnlySpan<byte> rest = bytes;
        LayoutParameters layout = new()
        {
            PackThreshold = Long(ref rest),
            PackTarget = Long(ref rest),
            PackLimit = Long(ref rest),
            SliceSize = Long(ref rest),
        };
        try
        {
            layout.Validate();
        }
        catch (ArgumentException fault)
        {
            throw new FormatException($"its layout is impossible ({fault.Message})", fault);
        }
        ManifestMeta meta = new()
        {
            Layout = layout,
            EntryCount = Int(ref rest),
            DirectoryCount = Int(ref rest),
            PackCount = Int(ref rest),
            ClassCount = Int(ref rest),
            NodeSlots = Int(ref rest),
            NodeProbe = Int(ref rest),
            FileCount = Long(ref rest),
            TotalBytes = Long(ref rest),
            UnrepresentableCount = Long(ref rest),
            ReportedCount = Long(ref rest),
            Sources = ReadSources(rest),
        };
        if (meta.EntryCount < 1 || meta.DirectoryCount < 1 || meta.DirectoryCount > meta.EntryCount)
            throw new FormatException("it has no root directory");
        if (meta.PackCount < 0 || meta.PackCount > meta.EntryCount || meta.ClassCount < 1 || meta.NodeSlots < 1
            || meta.NodeProbe is < 0 or > ManifestFormat.MaxProbe || meta.FileCount < 0 || meta.FileCount > meta.EntryCount
            || meta.TotalBytes < 0 || meta.UnrepresentableCount < 0 || meta.ReportedCount < 0)
            throw new FormatException("its counts are impossible");
        return meta;
    }

    static ManifestSource[] ReadSources(ReadOnlySpan<byte> rest)
    {
        int count = Int(ref rest);
        // Each takes eight bytes at least, so a hostile count cannot make us allocate more than the section is long.
        if (count < 1 || count > rest.Length / 8) throw new FormatException("its number of sources is impossible");
        ManifestSource[] sources = new ManifestSource[count];
        for (int i = 0; i < count; i++) sources[i] = new ManifestSource(ReadText(ref rest), ReadText(ref rest));
        if (!rest.IsEmpty) throw new FormatException("its description is too long");
        return sources;
    }

    static string ReadText(ref ReadOnlySpan<byte> rest)
    {
        if (rest.Length < 4) throw new FormatException("its sources are cut short");
        int length = Int(ref rest);
        if (length < 0 || length > rest.Length) throw new FormatException("its sources are cut short");
        string text = Encoding.UTF8.GetString(rest[..length]);
        rest = rest[length..];
        return text;
    }

    static int Int(ref ReadOnlySpan<byte> rest)
    {
        int value = BinaryPrimitives.ReadInt32LittleEndian(rest);
        rest = rest[4..];
        return value;
    }

    static long Long(ref ReadOnlySpan<byte> rest)
    {
        long value = BinaryPrimitives.ReadInt64LittleEndian(rest);
        rest = rest[8..];
        return value;
    }
}
