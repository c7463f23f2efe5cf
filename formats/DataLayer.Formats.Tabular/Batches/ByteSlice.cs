namespace DataLayer.Formats.Tabular;

/// <summary>A byte-array value where the page left it: bytes of one of its vector's buffers.</summary>
internal readonly record struct ByteSlice(int Buffer, int Offset, int Length);
