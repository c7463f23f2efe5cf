namespace DataLayer.Formats;

/// <summary>
/// Why a listed key has no entry of its own in the tree. Every such key is counted and recorded in the manifest
/// (<see cref="Manifest.ReadUnrepresentable"/>); none is dropped silently. The values are part of the manifest format.
/// </summary>
internal enum KeyRule : byte
{
    /// <summary>An empty component: <c>a//b</c>, a leading '/', or a file at the source's root itself. Left out.</summary>
    EmptyComponent = 1,

    /// <summary>A component <c>.</c> or <c>..</c>. Left out.</summary>
    DotComponent = 2,

    /// <summary>A component of more than 255 bytes (NAME_MAX). Left out.</summary>
    LongComponent = 3,

    /// <summary>A NUL byte. Left out.</summary>
    NulByte = 4,

    /// <summary>A path of more than 4095 bytes below the mount (PATH_MAX without its NUL). Left out.</summary>
    LongPath = 5,

    /// <summary>A file or symlink whose key is also a directory, explicit or implied by a longer key. The directory wins.</summary>
    AlsoDirectory = 6,

    /// <summary>The same path twice from one source. The newest wins, then the one whose attributes sort first.</summary>
    Duplicate = 7,

    /// <summary>At or below the sub-path where a deeper source is joined. The deeper source wins.</summary>
    HiddenBySource = 8,

    /// <summary>A socket, device, pipe or anything else that is neither directory, file nor symlink; the remark says which. Left out.</summary>
    UnsupportedKind = 9,

    /// <summary>A key that ends in '/' but has content; a directory cannot hold it. Left out (without it the directory is still implied by other keys).</summary>
    MarkerWithContent = 10,

    /// <summary>A symlink whose target is empty, holds a NUL byte or is longer than 4095 bytes. Left out.</summary>
    LinkTarget = 11,

    /// <summary>Attributes outside their range (negative size, owner beyond 32 bits, version tag over 2 KiB). Left out.</summary>
    Attributes = 12,
}

internal static class KeyRuleText
{
    internal static string Describe(KeyRule rule, string remark) => rule switch
    {
        KeyRule.EmptyComponent => "has an empty path component",
        KeyRule.DotComponent => "has a path component '.' or '..'",
        KeyRule.LongComponent => "has a path component longer than 255 bytes",
        KeyRule.NulByte => "holds a NUL byte",
        KeyRule.LongPath => "makes a path longer than 4095 bytes",
        KeyRule.AlsoDirectory => "is also a directory, which wins",
        KeyRule.Duplicate => "is listed more than once; another version won",
        KeyRule.HiddenBySource => "is hidden by the source joined there",
        KeyRule.UnsupportedKind => remark.Length == 0 ? "is neither directory, file nor symlink" : $"is a {remark}",
        KeyRule.MarkerWithContent => "ends in '/' but has content",
        KeyRule.LinkTarget => "is a symlink with an empty, too long or NUL-holding target",
        KeyRule.Attributes => "has attributes out of range",
        _ => $"was left out by rule {(byte)rule}",
    };
}
