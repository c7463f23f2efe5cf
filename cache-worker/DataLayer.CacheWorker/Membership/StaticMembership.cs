using System.Text.Json;
using System.Text.Json.Serialization;
using DataLayer.Cache;

namespace DataLayer.CacheWorker.Membership;

/// <summary>
/// The workers as a file names them, read again when it changes: for clusters without Redis, and for tests.
/// <code>{ "workers": [ { "name": "n1", "zone": "a", "address": "https://10.0.0.1:7400", "capacity": 107374182400 } ] }</code>
/// </summary>
sealed class StaticMembership : IMembership, IDisposable
{
    static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    readonly string? _file;
    readonly WorkerNode _self;
    readonly int _copies;
    readonly Timer? _timer;
    volatile PlacementMap _current;
    DateTime _read;

    public StaticMembership(string? file, WorkerNode self, int copies)
    {
        _file = file;
        _self = self;
        _copies = copies;
        _current = file == null ? new PlacementMap([self], copies) : Read(file);
        if (file != null) _timer = new Timer(_ => Look(), null, LookEvery, LookEvery);
    }

    public PlacementMap Current => _current;

    PlacementMap Read(string file)
    {
        try
        {
            _read = File.GetLastWriteTimeUtc(file);
            PeersFile peers = JsonSerializer.Deserialize(File.ReadAllBytes(file), PeersJson.Default.PeersFile) ?? throw new UserException($"{file}: empty; it needs {{\"workers\": [...]}}.");
            // Sorted, so that all workers number them alike whatever the order in their files.
            WorkerNode[] workers = [.. peers.Workers.Select(w => w with { Zone = w.Zone ?? "", Protocol = w.Protocol == 0 ? PeerProtocol.Version : w.Protocol }).OrderBy(w => w.Name, StringComparer.Ordinal)];
            foreach (WorkerNode worker in workers)
            {
                bool sound = !string.IsNullOrEmpty(worker.Name) && worker.Capacity > 0 && Uri.TryCreate(worker.Address, UriKind.Absolute, out Uri? uri) && uri.Scheme == "https";
                if (!sound) throw new UserException($"{file}: worker '{worker.Name}' needs a name, an address like https://10.0.0.1:7400 and a capacity in bytes.");
            }
            if (workers.Select(w => w.Name).Distinct().Count() != workers.Length) throw new UserException($"{file}: two workers have the same name.");
            if (workers.All(w => w.Name != _self.Name)) throw new UserException($"{file}: does not name this worker, {_self.Name}.");
            return new PlacementMap(workers, _copies);
        }
        catch (JsonException fault)
        {
            throw new UserException($"{file}: {fault.Message}", fault);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"--peers {file}: {fault.Message}", fault);
        }
    }

    void Look()
    {
        try
        {
            if (File.GetLastWriteTimeUtc(_file!) == _read) return;
            _current = Read(_file!);
            Log.Info($"{_file}: {_current.Workers.Count} workers");
        }
        catch (UserException fault)
        {
            Log.Warn($"{fault.Message}; going on with the workers known before");
        }
    }

    public void Dispose() => _timer?.Dispose();
}

sealed record PeersFile(IReadOnlyList<WorkerNode> Workers);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, ReadCommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true)]
[JsonSerializable(typeof(PeersFile))]
sealed partial class PeersJson : JsonSerializerContext;
