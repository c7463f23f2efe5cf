using DataLayer.Formats;

namespace DataLayer.Sources.S3;

/// <summary>A part of the key space that one chain of requests lists: keys above <see cref="After"/> up to <see cref="UpTo"/>.</summary>
/// <param name="after">Exclusive; null for the beginning.</param>
/// <param name="upTo">Inclusive; null for the end.</param>
internal sealed class KeyRange(byte[]? after, byte[]? upTo)
{
    /// <summary>All up to here is listed.</summary>
    public byte[]? After { get; set; } = after;

    /// <summary>Comes closer when the range's upper part is given away.</summary>
    public byte[]? UpTo { get; set; } = upTo;

    /// <summary>Known directories (whole keys ending in '/') above <see cref="After"/> within the range, ascending.</summary>
    public byte[][] Directories { get; set; } = [];

    /// <summary>Those of <see cref="Directories"/> that are passed by now.</summary>
    public int DirectoriesPassed { get; set; }

    /// <summary>Keys listed since <see cref="Directories"/> were found.</summary>
    public long KeysSinceFound { get; set; }

    /// <summary>How many keys one of the directories had elsewhere; used until this range has passed some itself.</summary>
    public long KeysPerDirectoryElsewhere { get; set; }

    public long KeysPerDirectory => DirectoriesPassed > 0 ? KeysSinceFound / DirectoriesPassed : Math.Max(KeysPerDirectoryElsewhere, KeysSinceFound);

    /// <summary>The directory last looked into for others, or null. It contains <see cref="After"/>, or is left behind.</summary>
    public byte[]? Probed { get; set; }

    /// <summary><see cref="Probed"/> holds more directories than one answer names, so cuts in it are guessed.</summary>
    public bool HasManyDirectories { get; set; }

    /// <summary>Keys of the range's last page.</summary>
    public List<SourceEntry> LastPage { get; set; } = [];

    /// <summary>All of it is listed; nothing may be given away any more.</summary>
    public bool IsDone { get; set; }

    public bool IsProbing { get; set; }

    public bool Contains(ReadOnlySpan<byte> key) => IsAbove(key) && !IsBeyond(key);

    public bool IsAbove(ReadOnlySpan<byte> key) => After is null || key.SequenceCompareTo(After) > 0;

    public bool IsBeyond(ReadOnlySpan<byte> key) => UpTo is not null && key.SequenceCompareTo(UpTo) > 0;

    /// <summary>Nothing above this key is left in the range.</summary>
    public bool EndsAt(ReadOnlySpan<byte> key) => UpTo is not null && key.SequenceCompareTo(UpTo) >= 0;
}
