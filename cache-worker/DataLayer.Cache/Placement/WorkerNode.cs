namespace DataLayer.Cache;

/// <summary>One worker as the others know it.</summary>
/// <param name="Name">Stable and unique in the cluster: placement goes by it, so that a worker with a new address keeps its blocks.</param>
/// <param name="Zone">Failure domain that copies are spread over; empty is a zone like any other.</param>
/// <param name="Address">Where its HTTP API listens: host:port.</param>
/// <param name="Capacity">Bytes of its store, its weight in placement. 0: it is no home of anything, as while draining.</param>
/// <param name="Protocol">Version of the protocol between workers that it speaks.</param>
public sealed record WorkerNode(string Name, string Zone, string Address, long Capacity, int Protocol);
