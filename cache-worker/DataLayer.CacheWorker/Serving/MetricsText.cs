using System.Text;

namespace DataLayer.CacheWorker.Serving;

/// <summary>A worker's counters as Prometheus text.</summary>
static class MetricsText
{
    public static string Of(StatusMessage status)
    {
        StringBuilder text = new();
        void Metric(string name, string type, string help, double value) =>
            text.Append($"# HELP datalayer_worker_{name} {help}\n# TYPE datalayer_worker_{name} {type}\ndatalayer_worker_{name} {value:R}\n");

        Metric("cache_used_bytes", "gauge", "Bytes of the cache in use.", status.CacheUsed);
        Metric("cache_capacity_bytes", "gauge", "Limit of the cache.", status.CacheCapacity);
        Metric("evictions_total", "counter", "Block files that gave way.", status.Evictions);
        Metric("bad_checksums_total", "counter", "Units of the store that were damaged and fetched again.", status.BadChecksums);
        Metric("source_read_bytes_total", "counter", "Bytes received from sources.", status.BytesFromSource);
        Metric("source_reads_total", "counter", "Reads of sources that succeeded.", status.SourceReads);
        Metric("source_errors_total", "counter", "Reads of sources that failed after all retries.", status.SourceErrors);
        Metric("peer_read_bytes_total", "counter", "Bytes received from other workers.", status.BytesFromPeers);
        Metric("peer_reads_total", "counter", "Reads of other workers that succeeded.", status.PeerReads);
        Metric("peer_sent_bytes_total", "counter", "Bytes sent to other workers.", status.BytesToPeers);
        Metric("mount_sent_bytes_total", "counter", "Bytes sent to mounts; those they read from the store themselves are not in it.", status.BytesToMounts);
        Metric("leases", "gauge", "Block files that mounts of this node have open.", status.Leases);
        Metric("draining", "gauge", "1 while the worker is about to end.", status.Draining ? 1 : 0);
        text.Append("# HELP datalayer_worker_peer_usable 1 while the peer is asked.\n# TYPE datalayer_worker_peer_usable gauge\n");
        foreach (PeerMessage peer in status.Peers) text.Append($"datalayer_worker_peer_usable{{peer=\"{peer.Name}\"}} {(peer.Usable ? 1 : 0)}\n");
        return text.ToString();
    }
}
