using System.Collections.Concurrent;

namespace DataLayer.CacheWorker.Catalog;

/// <summary>
/// The highest record of each dataset that this process has heard of, from its own registrations or from Redis: what Redis is filled
/// with again when it was emptied. Safe for concurrent use.
/// </summary>
internal sealed class DatasetView
{
    readonly ConcurrentDictionary<string, DatasetRecord> _records = new();

    /// <summary>Called with each record that replaced a lower one, from whatever thread brought it.</summary>
    public event Action<DatasetRecord>? Changed;

    /// <summary>Removed ones included.</summary>
    public ICollection<DatasetRecord> All => _records.Values;

    public DatasetRecord? Find(string name) => _records.TryGetValue(name, out DatasetRecord? record) && !record.Removed ? record : null;

    /// <summary>Takes a record unless one as high is known. False when it is not news.</summary>
    public bool Offer(DatasetRecord record)
    {
        for (; ; )
        {
            if (_records.TryGetValue(record.Name, out DatasetRecord? known))
            {
                if (!record.IsNewerThan(known)) return false;
                if (!_records.TryUpdate(record.Name, record, known)) continue;
            }
            else if (!_records.TryAdd(record.Name, record)) continue;
            Changed?.Invoke(record);
            return true;
        }
    }

    /// <summary>Records that are higher than those listed, or missing there.</summary>
    public DatasetRecord[] NewerThan(IEnumerable<DatasetRecord> listed)
    {
        Dictionary<string, DatasetRecord> there = listed.ToDictionary(r => r.Name);
        return [.. _records.Values.Where(r => r.IsNewerThan(there.GetValueOrDefault(r.Name)))];
    }
}
