using System.Diagnostics.Metrics;

namespace DataLayer.Sources;

/// <summary>What sources ask of servers, for whoever listens to the meter "DataLayer.Sources". Costs nothing when nobody does.</summary>
internal static class SourceMetrics
{
    static readonly Meter Meter = new("DataLayer.Sources");

    /// <summary>By "operation": get or list.</summary>
    static readonly Counter<long> Requests = Meter.CreateCounter<long>("datalayer.source.requests", "{request}", "Requests sent to object stores, retries included.");

    /// <summary>By "fault": connection, refusal, nonsense or changed.</summary>
    static readonly Counter<long> Retries = Meter.CreateCounter<long>("datalayer.source.retries", "{request}", "Requests that failed and were tried again or given up.");

    static readonly Counter<long> Bytes = Meter.CreateCounter<long>("datalayer.source.bytes", "By", "Bytes of objects and files received from sources.");

    public static void Sent(bool isObject) => Requests.Add(1, new KeyValuePair<string, object?>("operation", isObject ? "get" : "list"));

    public static void Failed(string fault) => Retries.Add(1, new KeyValuePair<string, object?>("fault", fault));

    public static void Received(int bytes) => Bytes.Add(bytes);
}
