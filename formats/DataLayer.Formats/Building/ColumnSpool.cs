namespace DataLayer.Formats;

/// <summary>A column being collected: the values as given, and what is needed to choose base, scale and width at the end.</summary>
/// <param name="rebase">Find base and scale; else the base is 0 and the scale 1.</param>
internal sealed class ColumnSpool(TempFiles temp, bool rebase = false) : IDisposable
{
    readonly Spool _values = new(temp);
    ulong _first;
    ulong _min = ulong.MaxValue;
    ulong _max;
    ulong _divisor;

    internal int Count { get; private set; }

    internal void Add(ulong value)
    {
        if (Count++ == 0) _first = value;
        _min = Math.Min(_min, value);
        _max = Math.Max(_max, value);
        if (rebase && _divisor != 1)
        {
            ulong distance = value > _first ? value - _first : _first - value;
            // Most values change nothing: one remainder instead of Euclid's chain of them.
            if (_divisor == 0 || distance % _divisor != 0) _divisor = GreatestCommonDivisor(_divisor, distance);
        }
        _values.Append(value);
    }

    /// <summary>Changes a value of a column without base and scale.</summary>
    internal void Overwrite(int index, ulong value)
    {
        _max = Math.Max(_max, value);
        _values.Overwrite((long)index * 8, value);
    }

    static ulong GreatestCommonDivisor(ulong a, ulong b)
    {
        while (b != 0) (a, b) = (b, a % b);
        return a;
    }

    internal ulong Origin => rebase && Count > 0 ? _min : 0;
    internal ulong Scale => rebase && _divisor > 1 ? _divisor : 1;

    /// <summary>Bytes that the largest stored value takes.</summary>
    internal int Width => Count == 0 ? 0 : BytesFor((_max - Origin) / Scale);

    internal static int BytesFor(ulong value) => (64 - System.Numerics.BitOperations.LeadingZeroCount(value) + 7) / 8;

    /// <summary>The values in order, as added.</summary>
    internal Spool.Cursor Open() => _values.Open();

    public void Dispose() => _values.Dispose();
}
