using System.Buffers.Binary;

namespace DataLayer.Formats;

/// <summary>Numbers the distinct classes in the order of their first entries, and writes their rows.</summary>
internal sealed class ClassTable(Spool rows)
{
    // Real trees have tens, a NAS with a home directory per user thousands. The limit keeps a listing of nothing but
    // invented owners from filling the memory (a million classes take about 100 MB here).
    const int MaxClasses = 1 << 20;

    readonly Dictionary<EntryClass, int> _numbers = [];

    internal int Count => _numbers.Count;

    internal int Find(in EntryClass value)
    {
        if (_numbers.TryGetValue(value, out int number)) return number;
        if (_numbers.Count == MaxClasses)
            throw new ManifestException($"The snapshot cannot be built: its entries have more than {MaxClasses} different combinations of owner, group and mode. Split the dataset.");
        _numbers.Add(value, _numbers.Count);
        Span<byte> row = stackalloc byte[ManifestFormat.ClassRowSize];
        row[0] = (byte)value.Kind;
        row[1] = (byte)value.TagForm;
        BinaryPrimitives.WriteUInt16LittleEndian(row[2..], (ushort)value.Source);
        BinaryPrimitives.WriteInt32LittleEndian(row[4..], value.Mode);
        BinaryPrimitives.WriteInt64LittleEndian(row[8..], value.Uid);
        BinaryPrimitives.WriteInt64LittleEndian(row[16..], value.Gid);
        rows.Append(row);
        return _numbers.Count - 1;
    }
}
