using DataLayer.Formats.Tabular.Parquet.Thrift;

namespace DataLayer.Formats.Tabular.Parquet;

/// <summary>One data page of a chunk.</summary>
/// <param name="Offset">Of its header, in the file.</param>
/// <param name="Size">Bytes in the file, header included.</param>
/// <param name="FirstRow">Within the row group.</param>
public readonly record struct PageLocation(long Offset, int Size, long FirstRow);

/// <summary>The order of the pages' bounds; the numbers are parquet.thrift's <c>BoundaryOrder</c>.</summary>
public enum BoundaryOrder
{
    Unordered = 0,
    Ascending = 1,
    Descending = 2,
}

/// <summary>Per data page: whether it is all null, and the bounds of its other values, PLAIN-encoded and perhaps truncated.</summary>
public sealed record ColumnIndex(
    IReadOnlyList<bool> NullPages,
    IReadOnlyList<ReadOnlyMemory<byte>> Min,
    IReadOnlyList<ReadOnlyMemory<byte>> Max,
    BoundaryOrder Order,
    IReadOnlyList<long>? NullCounts);

internal static class PageIndexReader
{
    public static IReadOnlyList<PageLocation> ReadOffsetIndex(ReadOnlyMemory<byte> bytes, FaultSite site)
    {
        var reader = new CompactReader(bytes.Span);
        List<PageLocation> pages = [];
        int id = 0;
        while (reader.NextField(ref id, out CompactType type))
        {
            if (id != 1)
            {
                reader.Skip(type);
                continue;
            }
            int count = reader.ReadList(type, out CompactType element);
            if (count > 0) reader.ExpectStruct(element);
            for (int i = 0; i < count && !reader.Failed; i++)
            {
                long offset = -1, firstRow = -1;
                int size = -1, field = 0;
                while (reader.NextField(ref field, out CompactType fieldType))
                {
                    if (field == 1) offset = reader.ReadInt64(fieldType);
                    else if (field == 2) size = reader.ReadInt32(fieldType);
                    else if (field == 3) firstRow = reader.ReadInt64(fieldType);
                    else reader.Skip(fieldType);
                }
                if (offset < 0 || size < 0 || firstRow < 0) reader.Fail($"page {i} has no offset, size or first row");
                pages.Add(new PageLocation(offset, size, firstRow));
            }
        }
        if (reader.Failure is { } failure) throw site.Corrupt($"the offset index does not decode: {failure}");
        return pages;
    }

    public static ColumnIndex ReadColumnIndex(ReadOnlyMemory<byte> bytes, FaultSite site)
    {
        var reader = new CompactReader(bytes.Span);
        List<bool> nullPages = [];
        List<ReadOnlyMemory<byte>> min = [], max = [];
        List<long>? nullCounts = null;
        int order = 0, id = 0;
        while (reader.NextField(ref id, out CompactType type))
        {
            if (id is not (1 or 2 or 3 or 5))
            {
                if (id == 4) order = reader.ReadInt32(type);
                else reader.Skip(type);
                continue;
            }
            int count = reader.ReadList(type, out CompactType element);
            for (int i = 0; i < count && !reader.Failed; i++)
            {
                switch (id)
                {
                    case 1: nullPages.Add(reader.ReadListBool(element)); break;
                    case 5: (nullCounts ??= []).Add(reader.ReadInt64(element)); break;
                    default:
                        int length = reader.ReadBinary(element, out int start).Length;
                        (id == 2 ? min : max).Add(bytes.Slice(start, length));
                        break;
                }
            }
        }
        if (order is < 0 or > 2) reader.Fail($"boundary order {order} does not exist");
        if (reader.Failure is { } failure) throw site.Corrupt($"the column index does not decode: {failure}");
        if (min.Count != nullPages.Count || max.Count != nullPages.Count || (nullCounts is not null && nullCounts.Count != nullPages.Count))
        {
            throw site.Corrupt("the lists of the column index differ in length");
        }
        return new ColumnIndex(nullPages, min, max, (BoundaryOrder)order, nullCounts);
    }
}
