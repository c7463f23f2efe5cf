namespace DataLayer.Cache;

/// <summary>One worker as its peers know it.</summary>
/// <param name="Address">https://host:port.</param>
/// <param name="Capacity">Bytes of its store.</param>
/// <param name="Protocol">Version of the peer protocol it speaks.</param>
public sealed record WorkerNode(string Name, string Zone, string Address, long Capacity, int Protocol);
