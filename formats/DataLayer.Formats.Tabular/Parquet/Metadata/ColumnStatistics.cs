namespace DataLayer.Formats.Tabular.Parquet;

/// <summary>
/// What the writer recorded of one column chunk. Bounds are PLAIN-encoded values of the physical type (byte arrays
/// without their length), null when absent; writers may truncate those of byte arrays (then not exact).
/// </summary>
public sealed class ColumnStatistics
{
    public long? NullCount { get; internal set; }

    public long? DistinctCount { get; internal set; }

    public ReadOnlyMemory<byte>? Min { get; internal set; }

    public ReadOnlyMemory<byte>? Max { get; internal set; }

    public bool? MinIsExact { get; internal set; }

    public bool? MaxIsExact { get; internal set; }

    /// <summary>
    /// The bounds come from the deprecated fields, whose order was signed bytes whatever the type: right for signed
    /// integers and floating point only.
    /// </summary>
    public bool BoundsAreDeprecated { get; internal set; }
}
