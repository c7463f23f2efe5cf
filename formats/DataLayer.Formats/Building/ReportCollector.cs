using System.Buffers.Binary;
using System.Text;

namespace DataLayer.Formats;

/// <summary>Collects the keys left out, in any order; writes them as the manifest's report, sorted by source, rule, remark and key.</summary>
internal sealed class ReportCollector(TempFiles temp, long memory, long limit) : IDisposable
{
    readonly RecordSorter _sorter = new(temp, memory);

    internal long Count { get; private set; }
    internal long Reported => Math.Min(Count, limit);

    internal void Add(int source, ReadOnlySpan<byte> key, KeyRule rule, string? remark = null)
    {
        Count++;
        byte[] remarkBytes = remark is null ? [] : Encoding.UTF8.GetBytes(remark);
        ReadOnlySpan<byte> text = remarkBytes.AsSpan(0, Math.Min(remarkBytes.Length, byte.MaxValue));
        byte[] row = new byte[4 + text.Length + key.Length];
        BinaryPrimitives.WriteUInt16BigEndian(row, (ushort)source);
        row[2] = (byte)rule;
        row[3] = (byte)text.Length;
        text.CopyTo(row.AsSpan(4));
        key.CopyTo(row.AsSpan(4 + text.Length));
        _sorter.Add(default, row);
    }

    internal void Write(Spool report)
    {
        IRecordStream records = _sorter.Finish();
        for (long i = 0; i < Reported && records.MoveNext(); i++)
        {
            ReadOnlySpan<byte> row = RecordSorter.Rest(records.Current);
            report.Append((uint)row.Length);
            report.Append(row);
        }
    }

    public void Dispose() => _sorter.Dispose();
}
