namespace DataLayer.EndToEndBenchmarks.Server;

/// <summary>What a server was asked since it started; only its own thread writes.</summary>
/// <param name="Get">GETs of objects.</param>
/// <param name="Head">HEADs of objects and of the bucket.</param>
/// <param name="List">Pages of listings.</param>
/// <param name="Other">Everything else that was not a control request.</param>
/// <param name="Failed">Those of the above that were answered with a status of 400 and above.</param>
/// <param name="BodyBytes">Bytes of objects that were handed to the kernel for sending.</param>
/// <param name="Connections">Connections accepted.</param>
/// <param name="PeakInFlight">Most requests that were waiting for or receiving their answer at one time.</param>
internal record struct RequestCounters(
    long Get, long Head, long List, long Other, long Failed, long BodyBytes, long Connections, long PeakInFlight)
{
    /// <summary>What was counted since <paramref name="earlier"/>; the peak stays the peak.</summary>
    internal readonly RequestCounters Since(RequestCounters earlier) => new(
        Get - earlier.Get, Head - earlier.Head, List - earlier.List, Other - earlier.Other, Failed - earlier.Failed,
        BodyBytes - earlier.BodyBytes, Connections - earlier.Connections, PeakInFlight);
}
