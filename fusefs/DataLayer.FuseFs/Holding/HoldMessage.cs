using System.Text.Json;
using System.Runtime.InteropServices;
using System.Text.Json.Serialization;
using DataLayer.Fuse;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.FuseFs.Holding;

/// <summary>What holder, serving processes and the command line say to each other.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<HoldMessageKind>))]
enum HoldMessageKind
{
    /// <summary>A process the holder has started; answered by Welcome.</summary>
    Hello,
    /// <summary>What to serve: arguments, and what a predecessor showed (manifests attached) when there was one.</summary>
    Welcome,
    /// <summary>Everything is open, only the connection is missing; manifests attached.</summary>
    Ready,
    /// <summary>Take the connection (devices, open files, journal attached).</summary>
    Serve,
    /// <summary>Requests are being answered.</summary>
    Serving,
    /// <summary>Other snapshots are about to be shown (manifests attached); answered by Stored.</summary>
    Snapshots,
    Stored,
    /// <summary>Stop taking requests; answered by Paused.</summary>
    Pause,
    Paused,
    /// <summary>Serve on (open files attached); answered by Serving.</summary>
    Resume,
    /// <summary>Somebody else serves: end.</summary>
    Leave,
    /// <summary>A serving process whose holder is gone gives a new one everything (devices, open files, journal, manifests attached).</summary>
    Adopt,
    /// <summary>From the command line.</summary>
    Upgrade,
    Status,
    Stop,
    /// <summary>To the command line: it is so, or not (Error).</summary>
    Done,
}

/// <summary>One message; fields without meaning for its kind are null. At most 128 KiB as JSON.</summary>
sealed record HoldMessage
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public required HoldMessageKind Kind { get; init; }

    /// <summary>Of Hello: which process it is.</summary>
    public int Key { get; init; }

    /// <summary>The command line of the mount, after `mount`.</summary>
    public IReadOnlyList<string>? Arguments { get; init; }

    /// <summary>The executable and its first arguments.</summary>
    public IReadOnlyList<string>? Program { get; init; }

    /// <summary>One for each attached manifest, the newest first.</summary>
    public IReadOnlyList<SnapshotMark>? Snapshots { get; init; }
    public OpenMode OpenMode { get; init; }
    public string? Dataset { get; init; }

    /// <summary>For people: what is mounted.</summary>
    public string? Description { get; init; }
    public FuseNegotiation? Negotiation { get; init; }
    public string? MountPoint { get; init; }
    public int ConnectionId { get; init; }

    /// <summary>How many of the attached descriptors are devices.</summary>
    public int Devices { get; init; }
    public bool HasJournal { get; init; }

    /// <summary>Of Pause: who is to serve then. It must be ended before this process serves on by itself.</summary>
    public int Successor { get; init; }

    /// <summary>What the holder's own oom_score_adj was; a serving process takes it back.</summary>
    public int OomScore { get; init; }
    public string? Error { get; init; }
    public HoldStatus? Status { get; init; }
}

/// <param name="Generation">As <see cref="MountedSnapshot.Generation"/>.</param>
sealed record SnapshotMark(int Generation, DateTime TakenUtc);

/// <summary>What `dl-fuse held` tells.</summary>
sealed record HoldStatus
{
    public int Holder { get; init; }

    /// <summary>0 while nobody serves.</summary>
    public int Serving { get; init; }

    /// <summary>0 without one that is ready.</summary>
    public int Standby { get; init; }

    /// <summary>Deaths of a serving process that this holder has seen.</summary>
    public int Deaths { get; init; }
    public int Upgrades { get; init; }

    /// <summary>From a death to the first request a successor could take, milliseconds; of the last one.</summary>
    public double LastTakeoverMs { get; init; }

    /// <summary>Nobody could serve for too long: callers get EIO for now.</summary>
    public bool IsRefusing { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault)]
[JsonSerializable(typeof(HoldMessage))]
sealed partial class HoldJson : JsonSerializerContext;

/// <summary>Messages on a <see cref="DescriptorSocket"/>.</summary>
static class HoldSocket
{
    public static bool Send(this DescriptorSocket socket, HoldMessage message, params IReadOnlyList<SafeHandle> attached) =>
        socket.Send(JsonSerializer.SerializeToUtf8Bytes(message, HoldJson.Default.HoldMessage), attached);

    /// <returns>Null when the other end is gone, or says what nobody understands.</returns>
    public static (HoldMessage Message, SafeFileHandle[] Attached)? Receive(this DescriptorSocket socket)
    {
        if (socket.Receive(out SafeFileHandle[] attached) is not { } bytes) return null;
        try
        {
            return (JsonSerializer.Deserialize(bytes, HoldJson.Default.HoldMessage)!, attached);
        }
        catch (JsonException fault)
        {
            Log.Warn($"a message to or from the holder is not understood: {fault.Message}");
            foreach (SafeFileHandle handle in attached) handle.Dispose();
            return null;
        }
    }

    /// <summary>Where the holder of a connection listens.</summary>
    public static string PathFor(int connection) => System.IO.Path.Combine(Control.ControlSocket.Directory, $"hold-{connection}.sock");

    /// <summary>Where it listens until it is found by the number of its connection.</summary>
    public static string NewPath() => System.IO.Path.Combine(Control.ControlSocket.Directory, $"hold-new-{Guid.NewGuid():n}.sock");
}
