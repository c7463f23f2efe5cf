using System.Buffers;
using System.Buffers.Binary;

namespace DataLayer.Formats;

/// <summary>The inline forms of a version tag: exact round trips of 16 bytes, and of 32 lower-case hex digits.</summary>
internal static class VersionTag
{
    const int InlineSize = 16;
    static readonly SearchValues<byte> LowerHex = SearchValues.Create("0123456789abcdef"u8);

    /// <summary>The form a tag takes; for inline forms also its two halves.</summary>
    internal static TagForm Encode(ReadOnlySpan<byte> tag, out ulong a, out ulong b)
    {
        a = b = 0;
        if (tag.IsEmpty) return TagForm.None;
        Span<byte> bytes = stackalloc byte[InlineSize];
        TagForm form;
        if (tag.Length == InlineSize)
        {
            tag.CopyTo(bytes);
            form = TagForm.Raw16;
        }
        else if (tag.Length == 2 * InlineSize && !tag.ContainsAnyExcept(LowerHex))
        {
            Convert.FromHexString(tag, bytes, out _, out _);
            form = TagForm.Hex32;
        }
        else
        {
            return TagForm.Heap;
        }
        a = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        b = BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]);
        return form;
    }

    /// <summary>The tag of an inline form, within <paramref name="buffer"/> (at least 48 bytes).</summary>
    internal static ReadOnlySpan<byte> Decode(TagForm form, ulong a, ulong b, Span<byte> buffer)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(buffer, a);
        BinaryPrimitives.WriteUInt64LittleEndian(buffer[8..], b);
        if (form == TagForm.Raw16) return buffer[..InlineSize];
        Convert.TryToHexStringLower(buffer[..InlineSize], buffer.Slice(InlineSize, 2 * InlineSize), out _);
        return buffer.Slice(InlineSize, 2 * InlineSize);
    }
}
