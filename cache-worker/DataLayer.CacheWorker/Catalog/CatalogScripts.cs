namespace DataLayer.CacheWorker.Catalog;

/// <summary>
/// The scripts, all that touches Redis. Redis 5 or newer. Times are Redis' own (milliseconds of TIME): no worker's clock is ever
/// compared with another's.
/// <para>
/// Keys, with P the prefix: <c>{P}:workers</c> (hash: name → record), <c>{P}:beats</c> (sorted set: name by last heartbeat),
/// <c>{P}:datasets</c> (hash: name → record), <c>{P}:state</c> (hash: <c>workers</c> and <c>datasets</c>, the time of the last change of
/// each; <c>settles</c>, before which nobody is declared gone), and <c>{P:n}:at:SNAPSHOT</c> (hash: worker → bytes and time), n one of
/// <see cref="Buckets"/>. The braces keep what one script touches in one slot of a Redis Cluster.
/// </para>
/// </summary>
internal static class CatalogScripts
{
    /// <summary>Slots that the location index is spread over: enough to use every master of a Redis Cluster, and as many scripts for a worker to publish everything.</summary>
    public const int Buckets = 16;

    /// <summary>
    /// Registers a worker (if named), declares others gone, and returns what changed. Keys: workers, beats, state, datasets. Arguments:
    /// name, record, expiry, gap (both ms), known change of workers, of datasets.
    /// <para>
    /// Nobody is declared gone before <c>settles</c>: an expiry after the first heartbeat in an empty Redis, or after a gap in which
    /// nobody at all was heard, which is Redis' doing. Heartbeats from the future are Redis' clock set back.
    /// </para>
    /// Returns settled (1 or 0), the record replaced (nil unless another), change of workers, of datasets, then each list (name, record, …) or nil when not changed.
    /// </summary>
    public const string Beat = """
        local t = redis.call('TIME')
        local now = t[1] * 1000 + math.floor(t[2] / 1000)
        local stamp = t[1] .. '.' .. t[2]
        local ms = string.format('%.0f', now)
        local name, record, expiry, gap = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

        for _, early in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ms, '+inf')) do redis.call('ZADD', KEYS[2], ms, early) end
        local last = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')
        local settles = tonumber(redis.call('HGET', KEYS[3], 'settles') or '0')
        if not last[2] or now - tonumber(last[2]) > gap or settles > now + expiry then
          settles = now + expiry
          redis.call('HSET', KEYS[3], 'settles', string.format('%.0f', settles))
        end

        local replaced = false
        if name ~= '' then
          local before = redis.call('HGET', KEYS[1], name)
          if before ~= record then
            replaced = before
            redis.call('HSET', KEYS[1], name, record)
            redis.call('HSET', KEYS[3], 'workers', stamp)
          end
          redis.call('ZADD', KEYS[2], ms, name)
        end

        if redis.call('ZCARD', KEYS[2]) ~= redis.call('HLEN', KEYS[1]) then
          for _, lone in ipairs(redis.call('HKEYS', KEYS[1])) do redis.call('ZADD', KEYS[2], 'NX', ms, lone) end
          for _, lone in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
            if redis.call('HEXISTS', KEYS[1], lone) == 0 then redis.call('ZREM', KEYS[2], lone) end
          end
        end
        if now >= settles then
          for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. string.format('%.0f', now - expiry))) do
            redis.call('ZREM', KEYS[2], gone)
            redis.call('HDEL', KEYS[1], gone)
            redis.call('HSET', KEYS[3], 'workers', stamp)
          end
        end

        local reply = { now >= settles and '1' or '0', replaced, '', '', false, false }
        for i, field in ipairs({ 'workers', 'datasets' }) do
          local change = redis.call('HGET', KEYS[3], field)
          if not change then
            change = stamp
            redis.call('HSET', KEYS[3], field, change)
          end
          reply[2 + i] = change
          if change ~= ARGV[4 + i] then reply[4 + i] = redis.call('HGETALL', KEYS[i == 1 and 1 or 4]) end
        end
        return reply
        """;

    /// <summary>Takes a worker out at once. Keys: workers, beats, state. Arguments: name, record: that of another process under this name stays.</summary>
    public const string Leave = """
        if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
        local t = redis.call('TIME')
        redis.call('HDEL', KEYS[1], ARGV[1])
        redis.call('ZREM', KEYS[2], ARGV[1])
        redis.call('HSET', KEYS[3], 'workers', t[1] .. '.' .. t[2])
        return 1
        """;

    /// <summary>The workers with the age of their last heartbeat. Keys: workers, beats. Returns name, record, age (ms), ….</summary>
    public const string Workers = """
        local t = redis.call('TIME')
        local now = t[1] * 1000 + math.floor(t[2] / 1000)
        local reply = {}
        local all = redis.call('HGETALL', KEYS[1])
        for i = 1, #all, 2 do
          local beat = tonumber(redis.call('ZSCORE', KEYS[2], all[i]) or '0')
          table.insert(reply, all[i])
          table.insert(reply, all[i + 1])
          table.insert(reply, string.format('%.0f', math.max(0, now - beat)))
        end
        return reply
        """;

    /// <summary>Enters a dataset unless what is there is as high. Keys: datasets, state. Arguments: name, text. Returns what is there instead, or nil.</summary>
    public const string Publish = """
        local there = redis.call('HGET', KEYS[1], ARGV[1])
        if there and string.match(there, '^%d+%.%d+ ') and string.sub(there, 1, 39) >= string.sub(ARGV[2], 1, 39) then return there end
        local t = redis.call('TIME')
        redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
        redis.call('HSET', KEYS[2], 'datasets', t[1] .. '.' .. t[2])
        return false
        """;

    /// <summary>
    /// One worker's bytes of some snapshots of one bucket. Keys: a hash for each snapshot. Arguments: worker, life of the keys (s), age (ms)
    /// beyond which others' entries are dropped or 0 to leave them, then the bytes for each key; 0 bytes take the entry out.
    /// </summary>
    public const string Locate = """
        local t = redis.call('TIME')
        local now = t[1] * 1000 + math.floor(t[2] / 1000)
        local oldest = tonumber(ARGV[3])
        for i, key in ipairs(KEYS) do
          if ARGV[3 + i] == '0' then
            redis.call('HDEL', key, ARGV[1])
          else
            redis.call('HSET', key, ARGV[1], ARGV[3 + i] .. ':' .. string.format('%.0f', now))
            redis.call('EXPIRE', key, ARGV[2])
          end
          if oldest > 0 then
            local all = redis.call('HGETALL', key)
            for j = 1, #all, 2 do
              local at = tonumber(string.match(all[j + 1], ':(%d+)$') or '0')
              if math.abs(now - at) > oldest then redis.call('HDEL', key, all[j]) end
            end
          end
        end
        return #KEYS
        """;

    /// <summary>Where a snapshot is. Key: its hash. Returns worker, bytes, age (ms), ….</summary>
    public const string Locations = """
        local t = redis.call('TIME')
        local now = t[1] * 1000 + math.floor(t[2] / 1000)
        local reply = {}
        local all = redis.call('HGETALL', KEYS[1])
        for i = 1, #all, 2 do
          local bytes, at = string.match(all[i + 1], '^(%d+):(%d+)$')
          if bytes then
            table.insert(reply, all[i])
            table.insert(reply, bytes)
            table.insert(reply, string.format('%.0f', math.max(0, now - tonumber(at))))
          end
        end
        return reply
        """;
}
