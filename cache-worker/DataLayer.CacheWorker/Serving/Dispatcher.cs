using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using DataLayer.Cache;
using DataLayer.CacheWorker.Datasets;
using DataLayer.CacheWorker.Warming;
using DataLayer.Formats;
using Microsoft.AspNetCore.Http;

namespace DataLayer.CacheWorker.Serving;

/// <summary>
/// Every request comes through here: version, then who asks, then what. So nothing but /healthz is answered before the
/// asker is known, whatever routes there are. The boundary that turns faults into one answer.
/// </summary>
sealed class Dispatcher(WorkerState worker, Authentication authentication)
{
    public async Task HandleAsync(HttpContext context)
    {
        string path = context.Request.Path.Value ?? "";
        context.Response.Headers[PeerProtocol.VersionHeader] = PeerProtocol.Version.ToString(CultureInfo.InvariantCulture);
        try
        {
            if (path == "/healthz" && IsVersionServed(context, out _))
            {
                await AnswerAsync(context, worker.IsDraining ? 503 : 200, worker.IsDraining ? "draining" : "ok");
                return;
            }
            if (authentication.Identify(context, out string why) is not { } caller)
            {
                context.Response.Headers.WWWAuthenticate = "Bearer";
                await FailAsync(context, 401, why);
                return;
            }
            if (!IsVersionServed(context, out string versions))
            {
                await FailAsync(context, 426, versions);
                return;
            }
            await RouteAsync(context, caller, path.Split('/', StringSplitOptions.RemoveEmptyEntries));
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            context.Abort();
        }
        catch (Exception fault)
        {
            worker.RequestFailed();
            string id = Guid.NewGuid().ToString("n")[..8];
            Log.Warn($"request {id} {context.Request.Method} {path}: {fault.GetType().Name}: {fault.Message}");
            if (context.Response.HasStarted) context.Abort();
            else await FailAsync(context, fault is UserException ? 400 : 500, fault is UserException ? fault.Message : $"an unexpected fault; the worker's log has it as {id}");
        }
    }

    /// <summary>Tools may leave the version out: they get this one.</summary>
    static bool IsVersionServed(HttpContext context, out string why)
    {
        string? stated = context.Request.Headers[PeerProtocol.VersionHeader];
        why = $"this worker speaks protocol {PeerProtocol.OldestServed} to {PeerProtocol.Version} and was asked in {stated}: upgrade the older of the two";
        return stated is null or "" || (int.TryParse(stated, NumberStyles.None, CultureInfo.InvariantCulture, out int version) && version is >= PeerProtocol.OldestServed and <= PeerProtocol.Version);
    }

    Task RouteAsync(HttpContext context, Caller caller, string[] path)
    {
        bool get = HttpMethods.IsGet(context.Request.Method), post = HttpMethods.IsPost(context.Request.Method);
        switch (path)
        {
            case ["v1", "snapshots", var id, "blocks", var block] when get:
                return BlockAsync(context, caller, id, block, presenceOnly: false);
            case ["v1", "snapshots", var id, "blocks", var block, "presence"] when get:
                return BlockAsync(context, caller, id, block, presenceOnly: true);
            case ["v1", "snapshots", var id] when get:
                return ManifestAsync(context, caller, id);
            case ["v1", "datasets", var name] when get:
                if (!caller.MayRead(name)) return FailAsync(context, 403, $"the token is not for dataset {name}");
                return worker.Find(name) is { } found ? JsonAsync(context, Describe(found), PeerJson.Default.DatasetMessage) : FailAsync(context, 404, $"dataset {name} is not registered here");
            case ["v1", "datasets"] when get:
                return JsonAsync(context, new DatasetsMessage([.. worker.Datasets.Where(d => caller.MayRead(d.Name)).Select(Describe)]), WorkerJson.Default.DatasetsMessage);
            case ["v1", "workers"] when get:
                return JsonAsync(context, new WorkersMessage(worker.Node.Name, worker.Peers.Map.Workers, worker.Authority), PeerJson.Default.WorkersMessage);
        }
        if (!caller.IsOperator) return FailAsync(context, 403, "a mount's token reads its dataset and nothing else");
        switch (path)
        {
            case ["v1", "datasets", var name, "token"] when post:
                return TokenAsync(context, caller, name);
            case ["v1", "datasets", var name, "warm"] when post:
                return WarmAsync(context, name);
            case ["v1", "status"] when get:
                return JsonAsync(context, worker.Status(), WorkerJson.Default.StatusMessage);
            case ["metrics"] when get:
                context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
                return context.Response.WriteAsync(MetricsText.Of(worker.Status()));
            default:
                return FailAsync(context, 404, "there is nothing here");
        }
    }

    static DatasetMessage Describe(ServedDataset dataset) => new(dataset.Name, dataset.Registration.Generation, dataset.Current?.ToString(), dataset.Failure);

    /// <summary>The snapshot, if the caller may read it. A caller that may not learns no more than of one that does not exist.</summary>
    async ValueTask<ServedSnapshot?> AcquireAsync(HttpContext context, Caller caller, string text)
    {
        if (!Digest.TryParse(text, out Digest digest)) return null;
        SnapshotId id = new(digest);
        foreach (ServedDataset dataset in worker.Datasets)
            if (caller.MayRead(dataset.Name) && dataset.TryAcquire(id) is { } open) return open;
        // Not open here. A mount names its dataset by its token; a worker that asks has the snapshot itself.
        foreach (ServedDataset dataset in worker.Datasets)
        {
            if (!caller.MayRead(dataset.Name) || (context.Request.Headers["DL-Dataset"].ToString() is { Length: > 0 } named && named != dataset.Name)) continue;
            if (await dataset.AcquireAsync(id, caller.Kind == CallerKind.Worker ? caller.Name : null, context.RequestAborted) is { } served) return served;
        }
        return null;
    }

    async Task BlockAsync(HttpContext context, Caller caller, string snapshot, string block, bool presenceOnly)
    {
        if (await AcquireAsync(context, caller, snapshot) is not { } served)
        {
            await FailAsync(context, 404, $"snapshot {Shown(snapshot)} is not served here");
            return;
        }
        try
        {
            int unit = Number(context, "unit", 0), count = Number(context, "count", 1);
            if (!Digest.TryParse(block, out Digest digest) || !served.TryLocate(new BlockFileId(digest), unit, count, out UnitRange units))
            {
                await FailAsync(context, 404, $"the snapshot has no such units of block {Shown(block)}");
                return;
            }
            if (presenceOnly)
            {
                await served.Homes.OpenAsync(units.File, context.RequestAborted);
                Unit[] there = [.. Enumerable.Range(0, units.Count).Select(i => units[i]).Where(u => served.Homes.IsPresent(units.File, u))];
                await JsonAsync(context, new PresenceMessage(units.Count, there.Length, there.Sum(u => (long)u.Length)), WorkerJson.Default.PresenceMessage);
                return;
            }
            bool cachedOnly = Number(context, "cached", 0) != 0;
            // What a worker asks for is never passed on to another: two that differ about the home would ask each other.
            bool asHome = caller.Kind == CallerKind.Worker || worker.Peers.IsHome(units.Block(served.Manifest.Layout.SliceSize));
            long? sent = await BlockAnswer.SendAsync(context, asHome ? served.Homes : served.Copies, units, cachedOnly, context.RequestAborted);
            if (sent == null) await FailAsync(context, 404, "not cached here");
            else worker.CountSent(sent.Value, toPeer: caller.Kind == CallerKind.Worker);
        }
        finally
        {
            served.Release();
        }
    }

    async Task ManifestAsync(HttpContext context, Caller caller, string snapshot)
    {
        if (await AcquireAsync(context, caller, snapshot) is not { } served)
        {
            await FailAsync(context, 404, $"snapshot {Shown(snapshot)} is not served here");
            return;
        }
        try
        {
            if (worker.Find(served.Dataset)?.FindFile(served.Manifest.Id) is not { } file)
            {
                await FailAsync(context, 404, $"the file of snapshot {Shown(snapshot)} is gone");
                return;
            }
            context.Response.ContentType = "application/octet-stream";
            await context.Response.SendFileAsync(file, context.RequestAborted);
        }
        finally
        {
            served.Release();
        }
    }

    async Task WarmAsync(HttpContext context, string name)
    {
        if (worker.Find(name) is not { } dataset)
        {
            await FailAsync(context, 404, $"dataset {name} is not registered here");
            return;
        }
        CancellationToken cancellation = context.RequestAborted;
        WarmProgress last = new(0, 0);
        bool share = Number(context, "share", 0) != 0;
        ShareRequest? one = share ? await JsonSerializer.DeserializeAsync(context.Request.Body, WarmJson.Default.ShareRequest, cancellation) : null;
        WarmRequest? all = share ? null : await JsonSerializer.DeserializeAsync(context.Request.Body, WarmJson.Default.WarmRequest, cancellation);
        SnapshotId? id = one != null ? (Digest.TryParse(one.Snapshot, out Digest digest) ? new SnapshotId(digest) : null) : dataset.Current;
        if (id == null || await dataset.AcquireAsync(id.Value, asker: null, cancellation) is not { } served)
        {
            await FailAsync(context, 409, $"dataset {name} has no such snapshot here yet{(dataset.Failure is { } why ? ": " + why : "")}");
            return;
        }
        try
        {
            context.Response.ContentType = "application/x-ndjson";
            try
            {
                if (one != null)
                {
                    await new WarmShare(served, worker.Peers.Map, worker.Node.Name, one).RunAsync(TellAsync, cancellation);
                    await TellAsync(last with { Done = true });
                }
                else await new WarmSpread(worker.Peers, worker.Node.Name, served, all ?? new WarmRequest([], 0)).RunAsync(TellAsync, cancellation);
            }
            catch (Exception fault) when (fault is UserException or SourceException)
            {
                await TellAsync(new WarmProgress(0, 0, Error: fault.Message));
            }
        }
        finally
        {
            served.Release();
        }

        async ValueTask TellAsync(WarmProgress progress)
        {
            last = progress;
            await context.Response.WriteAsync(JsonSerializer.Serialize(progress, WarmJson.Default.WarmProgress) + "\n", cancellation);
            await context.Response.Body.FlushAsync(cancellation);
        }
    }

    Task TokenAsync(HttpContext context, Caller caller, string dataset)
    {
        if (worker.Tokens is not { } tokens) return FailAsync(context, 409, "this worker has no TLS files, so its mounts need no token");
        if (worker.Find(dataset) == null) return FailAsync(context, 404, $"dataset {dataset} is not registered here");
        int seconds = Number(context, "seconds", 3600);
        string node = context.Request.Query["node"].ToString() is { Length: > 0 } named ? named : worker.Node.Name;
        return JsonAsync(context, new TokenMessage(tokens.Mint(dataset, node, TimeSpan.FromSeconds(seconds)), node), PeerJson.Default.TokenMessage);
    }

    /// <summary>Of what a stranger wrote, into an answer: ids only.</summary>
    static string Shown(string id) => id.Length <= 64 && id.All(char.IsAsciiLetterOrDigit) ? id : "?";

    static int Number(HttpContext context, string name, int otherwise)
    {
        string? text = context.Request.Query[name];
        if (text is null or "") return otherwise;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : throw new UserException($"{name} must be a number.");
    }

    static Task JsonAsync<T>(HttpContext context, T value, JsonTypeInfo<T> type)
    {
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(value, type);
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = body.Length;
        return context.Response.Body.WriteAsync(body).AsTask();
    }

    static Task AnswerAsync(HttpContext context, int status, string text)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain";
        return context.Response.WriteAsync(text + "\n");
    }

    static Task FailAsync(HttpContext context, int status, string why)
    {
        context.Response.StatusCode = status;
        return JsonAsync(context, new ErrorMessage(why), PeerJson.Default.ErrorMessage);
    }
}
