namespace DataLayer.Formats;

/// <summary>Applies the rules of <see cref="KeyRule"/> that need only the key and the places where sources are joined.</summary>
internal sealed class KeyJudge
{
    readonly byte[][] _subPaths;
    // Sub-paths of other sources that lie below each source's own.
    readonly byte[][][] _deeper;

    /// <exception cref="ArgumentException">A sub-path that cannot be one, or the same twice.</exception>
    internal KeyJudge(IReadOnlyList<string> subPaths)
    {
        _subPaths = [.. subPaths.Select(Parse)];
        _deeper = new byte[_subPaths.Length][][];
        for (int i = 0; i < _subPaths.Length; i++)
        {
            for (int j = 0; j < i; j++)
            {
                if (_subPaths[i].AsSpan().SequenceEqual(_subPaths[j]))
                    throw new ArgumentException($"Two sources are joined at '{subPaths[i]}'. Give each a sub-path of its own.");
            }
            _deeper[i] = [.. _subPaths.Where(other => other.Length > _subPaths[i].Length && IsAtOrBelow(other, _subPaths[i]))];
        }
    }

    /// <summary>Where a source is joined, without '/' at either end.</summary>
    internal ReadOnlySpan<byte> SubPath(int source) => _subPaths[source];

    internal static string Normalize(string subPath) => subPath.Trim('/');

    static byte[] Parse(string subPath)
    {
        byte[] path = new System.Text.UTF8Encoding(false, throwOnInvalidBytes: true).GetBytes(Normalize(subPath));
        if (path.Length > 0 && Check(path) is KeyRule rule)
            throw new ArgumentException($"A source cannot be joined at '{subPath}': it {KeyRuleText.Describe(rule, "")}.");
        return path;
    }

    static bool IsAtOrBelow(ReadOnlySpan<byte> path, ReadOnlySpan<byte> directory) =>
        directory.IsEmpty || (path.StartsWith(directory) && (path.Length == directory.Length || path[directory.Length] == '/'));

    /// <summary>
    /// Path below the mount for a listed entry, or the rule that leaves it out.
    /// </summary>
    /// <param name="buffer"><see cref="ManifestFormat.MaxPath"/> bytes, which receive the path.</param>
    /// <param name="length">Bytes of the path.</param>
    /// <param name="marker">The key ended in '/'.</param>
    /// <param name="isDirectory">Listed as a directory, or a marker.</param>
    internal KeyRule? Judge(int source, in SourceEntry entry, Span<byte> buffer, out int length, out bool marker, out bool isDirectory)
    {
        ReadOnlySpan<byte> key = entry.Key;
        length = 0;
        marker = key.Length > 1 && key[^1] == '/';
        isDirectory = entry.Kind == EntryKind.Directory;
        if (entry.Kind == EntryKind.Unsupported) return KeyRule.UnsupportedKind;
        if (marker && entry.Kind != EntryKind.Symlink)
        {
            if (entry.Size > 0) return KeyRule.MarkerWithContent;
            key = key[..^1];
            isDirectory = true;
        }
        // An object store's marker of the prefix that is the source's root arrives as the empty key.
        if (key.IsEmpty && entry.Kind == EntryKind.File && entry.Size == 0) isDirectory = true;

        if (key.IsEmpty && !isDirectory) return KeyRule.EmptyComponent;
        if (!key.IsEmpty && Check(key) is KeyRule rule) return rule;
        ReadOnlySpan<byte> subPath = _subPaths[source];
        int separator = key.IsEmpty || subPath.IsEmpty ? 0 : 1;
        length = subPath.Length + separator + key.Length;
        if (length > ManifestFormat.MaxPath) return KeyRule.LongPath;
        subPath.CopyTo(buffer);
        if (separator == 1) buffer[subPath.Length] = (byte)'/';
        key.CopyTo(buffer[(subPath.Length + separator)..]);

        foreach (byte[] other in _deeper[source])
            if (IsAtOrBelow(buffer[..length], other)) return KeyRule.HiddenBySource;
        if (entry.Kind == EntryKind.Symlink && (entry.LinkTarget is not { Length: > 0 and <= ManifestFormat.MaxPath } target || target.Contains((byte)0)))
            return KeyRule.LinkTarget;
        if (entry.Size < 0 || entry.VersionTag is { Length: > Recipe.MaxVersionTag } || entry.Mode is < -1 or > 0xFFF
            || entry.Uid is < -1 or >= EntryRecord.NoOwner || entry.Gid is < -1 or >= EntryRecord.NoOwner)
            return KeyRule.Attributes;
        return null;
    }

    /// <summary>The rule that a non-empty path breaks, if any.</summary>
    static KeyRule? Check(ReadOnlySpan<byte> path)
    {
        if (path.Length > ManifestFormat.MaxPath) return KeyRule.LongPath;
        if (path.Contains((byte)0)) return KeyRule.NulByte;
        foreach (Range range in path.Split((byte)'/'))
        {
            ReadOnlySpan<byte> component = path[range];
            if (component.IsEmpty) return KeyRule.EmptyComponent;
            if (component.Length > ManifestFormat.MaxName) return KeyRule.LongComponent;
            if (component[0] == '.' && (component.Length == 1 || (component.Length == 2 && component[1] == '.'))) return KeyRule.DotComponent;
        }
        return null;
    }
}
