namespace DataLayer.Sources.Nfs;

internal class NfsReply
{
    public NfsStatus Status { get; set; }

    /// <summary>Of the thing asked for, as they were after the operation. Null when the server did not give them.</summary>
    public NfsAttributes? Attributes { get; set; }
}

internal sealed class LookupReply : NfsReply
{
    public byte[] Handle { get; set; } = [];
}

internal sealed class LimitsReply : NfsReply
{
    /// <summary>Bytes of one read.</summary>
    public long MaxRead { get; set; }
}

internal sealed class LinkReply : NfsReply
{
    public byte[] Target { get; set; } = [];
}

internal sealed class DirectoryReply : NfsReply
{
    public List<DirectoryItem> Items { get; set; } = [];
    public ulong Cookie { get; set; }
    public ulong Verifier { get; set; }
    public bool IsEnd { get; set; }
}

/// <param name="Status">Not Ok: the server could not tell about this one entry.</param>
/// <param name="Handle">Null: not given; look it up.</param>
/// <param name="Attributes">Null: not given; look it up.</param>
internal readonly record struct DirectoryItem(byte[] Name, NfsStatus Status, byte[]? Handle, NfsAttributes? Attributes);
