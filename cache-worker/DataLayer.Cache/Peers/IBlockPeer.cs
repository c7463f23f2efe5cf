using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>Why a peer gave nothing; what it says of its source is a <see cref="SourceException"/> instead.</summary>
internal enum PeerFault
{
    /// <summary>No connection, or it broke.</summary>
    Unreachable,

    /// <summary>Connected, but it says nothing.</summary>
    Silent,

    /// <summary>The bytes do not match their checksum, or make no sense.</summary>
    Corrupt,

    /// <summary>It does not have what was asked for, or may not fetch it for this request.</summary>
    Absent,

    /// <summary>It does not accept who asks.</summary>
    Refused,

    /// <summary>It speaks another version.</summary>
    Incompatible,

    /// <summary>It is about to end.</summary>
    Draining,
}

/// <summary>The message names the peer.</summary>
internal sealed class PeerException(PeerFault fault, string message, Exception? inner = null) : Exception(message, inner)
{
    public PeerFault Fault { get; } = fault;
}

/// <summary>Another worker, whatever the way to it. Safe for concurrent use; every wait in it is bounded.</summary>
internal interface IBlockPeer
{
    string Name { get; }

    /// <summary>Fills <paramref name="destination"/> with bytes whose checksums were right on arrival. After a fault its content is undefined.</summary>
    /// <param name="cachedOnly">Only what the peer has in its store.</param>
    /// <exception cref="PeerException">The peer.</exception>
    /// <exception cref="SourceException">What the peer says of the source.</exception>
    ValueTask ReadAsync(SnapshotId snapshot, UnitRange units, Memory<byte> destination, bool cachedOnly, CancellationToken cancellation);

    /// <summary>Completes when the peer would serve; throws <see cref="PeerException"/> otherwise.</summary>
    ValueTask ProbeAsync(CancellationToken cancellation);
}
