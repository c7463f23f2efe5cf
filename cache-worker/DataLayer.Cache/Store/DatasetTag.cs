using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace DataLayer.Cache;

/// <summary>The dataset a block file is accounted to: the first 8 bytes of the SHA-256 of its name, as 16 hex digits in file names.</summary>
internal readonly record struct DatasetTag(ulong Value)
{
    static readonly System.Buffers.SearchValues<char> LowerHex = System.Buffers.SearchValues.Create("0123456789abcdef");

    public static DatasetTag Of(string dataset) =>
        new(BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(dataset))));

    public static bool TryParse(ReadOnlySpan<char> text, out DatasetTag tag)
    {
        tag = default;
        if (text.Length != 16 || text.ContainsAnyExcept(LowerHex)) return false;
        tag = new(ulong.Parse(text, System.Globalization.NumberStyles.AllowHexSpecifier));
        return true;
    }

    public override string ToString() => Value.ToString("x16");
}
