using System.Buffers.Binary;
using System.Diagnostics;
using DataLayer.Formats.Tabular.Parquet;
using DataLayer.Formats.Tabular.Rows;

namespace DataLayer.Formats.Tabular.Tests;

/// <summary>
/// Damages small valid files in every way that a byte can be wrong, and reads what comes out: rows or a
/// <see cref="TabularException"/> are right, anything else is a defect.
/// </summary>
internal sealed class ParquetMutator(IReadOnlyList<byte[]> originals, int seed)
{
    // Small, so that a length that is believed shows as an allocation error at once.
    static readonly ParquetReadOptions Options = new() { MemoryLimit = 8 << 20 };

    readonly Random random = new(seed);

    public Dictionary<string, long> Outcomes { get; } = [];

    public TimeSpan Slowest { get; private set; }

    public long Count { get; private set; }

    /// <summary>Damages one of the originals and reads it.</summary>
    public void Step()
    {
        byte[] original = originals[random.Next(originals.Count)];
        byte[] damaged = [.. original];
        int length = damaged.Length;
        for (int i = random.Next(1, 4); i > 0; i--) length = Damage(damaged, length);
        Read(damaged.AsMemory(0, length), $"input {Count} of seed {seed}");
    }

    /// <summary>Reads a damaged file; <paramref name="description"/> says which it was, for a failure.</summary>
    public void Read(ReadOnlyMemory<byte> content, string description)
    {
        Count++;
        long started = Stopwatch.GetTimestamp();
        string outcome;
        try
        {
            ReadRows(new MemoryFile("damaged", content));
            outcome = "rows";
        }
        catch (TabularException e)
        {
            outcome = e.Fault.ToString();
            if (e.File != "damaged" || e.Offset < 0 || e.Offset > content.Length) throw new InvalidOperationException($"{description}: the error is at {e.Offset} of {e.File}", e);
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"{description}: {e.GetType().Name}", e);
        }
        Outcomes[outcome] = Outcomes.GetValueOrDefault(outcome) + 1;
        TimeSpan took = Stopwatch.GetElapsedTime(started);
        if (took > Slowest) Slowest = took;
    }

    static void ReadRows(MemoryFile file)
    {
        ParquetFile parquet = Table.Done(ParquetFile.OpenAsync(file, Options));
        RowSchema schema = parquet.Project();
        using RowFormatter formatter = RowFormatter.JsonLines(schema);
        using var output = new RowOutput(longest: 16 << 20);
        int most = 3000;
        foreach (RowGroup group in parquet.Metadata.RowGroups)
        {
            foreach (ColumnChunk chunk in group.Columns)
            {
                Table.Done(parquet.ReadOffsetIndexAsync(chunk));
                Table.Done(parquet.ReadColumnIndexAsync(chunk));
            }
            using RowGroupReader rows = parquet.OpenRowGroup(group.Index, schema);
            // A column of nulls may claim billions of rows in a few bytes, which is slow but right.
            while (most > 0 && Table.Done(rows.ReadAsync()) is { } batch)
            {
                while (batch.NextRow < batch.RowCount)
                {
                    most -= formatter.Write(batch, output);
                    output.Clear();
                }
            }
        }
    }

    int Damage(byte[] bytes, int length)
    {
        if (length < 16) return length;
        // Half of the damage goes to the footer, which is small and decides everything.
        uint footer = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(length - 8));
        bool inFooter = footer <= length - 8 && random.Next(2) == 0;
        int from = inFooter ? (int)(length - 8 - footer) : 0;
        int at = random.Next(from, length);
        switch (random.Next(9))
        {
            case 0 or 1: bytes[at] ^= (byte)(1 << random.Next(8)); break;
            case 2: bytes[at] = (byte)random.Next(256); break;
            case 3: bytes[at] = random.Next(4) switch { 0 => 0, 1 => 0xFF, 2 => 0x7F, _ => 0x80 }; break;
            case 4: BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(Math.Min(at, length - 4)), random.Next(3) switch { 0 => int.MaxValue, 1 => -1, _ => int.MinValue }); break;
            // A varint of 2^31-1 or more, where a length or count may be.
            case 5:
                ReadOnlySpan<byte> huge = [0xFF, 0xFF, 0xFF, 0xFF, 0x0F];
                huge[..Math.Min(huge.Length, length - at)].CopyTo(bytes.AsSpan(at));
                break;
            case 6:
                int to = random.Next(from, length);
                int count = Math.Min(random.Next(1, 32), length - Math.Max(at, to));
                bytes.AsSpan(at, count).CopyTo(bytes.AsSpan(to));
                break;
            // Bytes vanish, and with them the offsets after them are wrong.
            case 7:
                int removed = Math.Min(random.Next(1, 16), length - at);
                bytes.AsSpan(at + removed, length - at - removed).CopyTo(bytes.AsSpan(at));
                return length - removed;
            default: return random.Next(8) == 0 ? random.Next(length) : length;
        }
        return length;
    }
}
