using System.Threading.Channels;
using DataLayer.Formats;

namespace DataLayer.Sources.S3;

/// <summary>
/// One listing of everything below a prefix, in parallel. A page tells only the next 1000 keys, so one chain of requests
/// takes a round trip per 1000 keys; several chains each take a range of the key space. Where to cut it is found on the
/// way, and a request spent on finding out is kept rare (a small listing must stay small):
/// <list type="bullet">
/// <item>a page that is not the last asks once for the directories of its range (delimiter '/'), and the range is cut at
/// directories into pieces that should be a few pages each;</item>
/// <item>within one large directory the range is cut at guessed keys. A guess is a range like any other: if nothing is
/// there, it ends with its first request, and the range below is known to end earlier;</item>
/// <item>every range that proves long is cut again.</item>
/// </list>
/// Ranges do not overlap and each ascends strictly, so no key appears twice.
/// </summary>
internal sealed class S3Listing
{
    /// <summary>Pages ahead of the consumer: 32 × 1000 entries of about 250 bytes.</summary>
    const int PagesAhead = 32;

    /// <summary>Pages that a piece should have: the last one is half empty, so the cost is about 1/5.</summary>
    const double PagesPerPiece = 2.5;

    /// <summary>Guesses at once for one range: one for each of the places in a name where numbering usually varies.</summary>
    const int GuessesAtOnce = 8;

    /// <summary>Requests spent may be this many more than 1.5 × the pages that the keys so far fill.</summary>
    const int SpareRequests = 6;

    /// <summary>Pages in a row that bring nothing forward. Honest servers send a few (delete markers, filtered keys).</summary>
    const int IdlePages = 1000;

    readonly ListRequests _requests;
    readonly byte[] _prefix;
    readonly int _limit;
    readonly string _host;
    readonly CancellationTokenSource _stop;
    readonly Channel<List<SourceEntry>> _pages = Channel.CreateBounded<List<SourceEntry>>(PagesAhead);
    readonly Lock _sync = new();
    readonly KeySplit _split = new();
    int _active;
    int _sent;
    long _keys;
    int _pageSize = 1;
    bool _onlyTokens;

    public S3Listing(ListRequests requests, S3Location location, int maxRequests, CancellationToken cancellation)
    {
        _requests = requests;
        _prefix = location.Prefix;
        _host = location.Host;
        _limit = maxRequests;
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
    }

    public ChannelReader<List<SourceEntry>> Pages => _pages.Reader;

    public void Start()
    {
        lock (_sync) Begin(new KeyRange(null, null));
    }

    public void Stop() => _stop.Cancel();

    void Begin(KeyRange range)
    {
        _active++;
        _ = Task.Run(() => GuardAsync(ListAsync(range)));
    }

    async Task GuardAsync(Task work)
    {
        try
        {
            await work;
        }
        catch (Exception e)
        {
            _pages.Writer.TryComplete(e);
            await _stop.CancelAsync();
        }
        lock (_sync)
            if (--_active == 0) _pages.Writer.TryComplete();
    }

    async Task ListAsync(KeyRange range)
    {
        string? token = null;
        byte[]? last = null;
        int idle = 0;
        while (true)
        {
            byte[]? after;
            lock (_sync)
            {
                after = range.After;
                _sent++;
            }
            ListPage page = await _requests.GetPageAsync(_prefix, after, token, byDirectory: false, _stop.Token);
            List<SourceEntry> entries;
            bool more;
            lock (_sync)
            {
                // A server that ignores start-after begins again; then only its own tokens lead on, from the beginning.
                if (after is not null && token is null && page.Entries.Count > 0 && page.Entries[0].Key.AsSpan().SequenceCompareTo(after) <= 0) _onlyTokens = true;
                entries = TakeEntries(page, range);
                more = Advance(page, range);
                range.IsDone = !more;
                range.LastPage = page.Entries;
                Divide(range);
            }
            if (entries.Count > 0) await _pages.Writer.WriteAsync(entries, _stop.Token);
            if (!more) return;

            bool moved = page.Last is not null && (last is null || page.Last.AsSpan().SequenceCompareTo(last) > 0);
            if (moved) last = page.Last;
            idle = moved ? 0 : idle + 1;
            // By key where that leads on: it needs no state of the server's.
            string? next = _onlyTokens || ReferenceEquals(range.After, after) ? page.NextToken : null;
            if (idle >= IdlePages || (ReferenceEquals(range.After, after) && (next is null || next == token))) throw Unusable("pages that never come to an end");
            token = next;
        }
    }

    List<SourceEntry> TakeEntries(ListPage page, KeyRange range)
    {
        List<SourceEntry> taken = new(page.Entries.Count);
        foreach (SourceEntry entry in page.Entries)
        {
            if (!entry.Key.AsSpan().StartsWith(_prefix)) throw Unusable("keys that were not asked for");
            if (!range.Contains(entry.Key)) continue;
            byte[] key = entry.Key[_prefix.Length..];
            // The marker of the source's own root.
            if (key.Length == 0 && entry.Size == 0) taken.Add(entry with { Key = key, Kind = EntryKind.Directory, MtimeNs = SourceEntry.NoTime, VersionTag = [] });
            else taken.Add(entry with { Key = key });
        }
        _keys += taken.Count;
        _pageSize = Math.Max(_pageSize, page.Entries.Count);
        range.KeysSinceFound += taken.Count;
        _split.Learn(page.Entries);
        return taken;
    }

    /// <returns>The range has more.</returns>
    bool Advance(ListPage page, KeyRange range)
    {
        if (!page.IsTruncated) return false;
        if (!page.IsOrdered) throw Unusable("keys out of byte order, so that a listing of more than one page cannot be complete");
        if (page.Last is null || !range.IsAbove(page.Last)) return true;
        if (range.EndsAt(page.Last)) return false;
        range.After = page.Last;
        while (range.DirectoriesPassed < range.Directories.Length && !range.IsAbove(range.Directories[range.DirectoriesPassed])) range.DirectoriesPassed++;
        return true;
    }

    double KeysPerPiece => PagesPerPiece * _pageSize;

    long RequestsToSpare => SpareRequests + _keys * 3 / 2 / _pageSize - _sent;

    /// <summary>Gives away parts of a range that just proved to have more than a page. Called under the lock.</summary>
    void Divide(KeyRange range)
    {
        int free = _limit - _active;
        if (free <= 0 || _onlyTokens || range.IsDone || range.IsProbing || range.After is null) return;
        if (range.DirectoriesPassed < range.Directories.Length)
        {
            DivideAtDirectories(range, free);
            return;
        }
        if (RequestsToSpare < 1) return;
        if (NextToProbe(range) is { } directory)
        {
            range.IsProbing = true;
            range.Probed = directory;
            _active++;
            _sent++;
            _ = Task.Run(() => GuardAsync(ProbeAsync(range, directory)));
            return;
        }
        DivideByGuess(range, free);
    }

    void DivideAtDirectories(KeyRange range, int free)
    {
        int first = range.DirectoriesPassed, left = range.Directories.Length - first;
        long pieces = Math.Min(Math.Min(left, free), (long)(range.KeysPerDirectory * left / KeysPerPiece));
        for (long piece = pieces; piece > 0; piece--)
        {
            int cut = first + (int)(left * piece / (pieces + 1));
            GiveAway(range, range.Directories[cut], range.Directories[(cut + 1)..]);
            range.Directories = range.Directories[..cut];
        }
    }

    void DivideByGuess(KeyRange range, int free)
    {
        int count = (int)Math.Min(Math.Min(free, GuessesAtOnce), RequestsToSpare);
        if (count <= 0 || range.LastPage.Count == 0) return;
        List<byte[]> cuts = _split.Choose(range.After!, range.UpTo, Common(range), range.LastPage, KeysPerPiece, count);
        for (int i = cuts.Count - 1; i >= 0; i--) GiveAway(range, cuts[i], []);
    }

    void GiveAway(KeyRange range, byte[] from, byte[][] directories)
    {
        Begin(new KeyRange(from, range.UpTo)
        {
            Directories = directories,
            KeysPerDirectoryElsewhere = range.KeysPerDirectory,
            Probed = range.Probed,
            HasManyDirectories = range.HasManyDirectories,
        });
        range.UpTo = from;
    }

    /// <summary>The deepest directory that all of the range is in.</summary>
    ReadOnlySpan<byte> Common(KeyRange range)
    {
        ReadOnlySpan<byte> after = range.After;
        if (range.UpTo is null) return range.Probed is { } probed && after.StartsWith(probed) ? probed : _prefix;
        int common = after.CommonPrefixLength(range.UpTo);
        int directory = after[..common].LastIndexOf((byte)'/') + 1;
        return after[..Math.Max(directory, _prefix.Length)];
    }

    /// <returns>The next directory to look into for others on the way down to the range's current key; null when it is the last.</returns>
    byte[]? NextToProbe(KeyRange range)
    {
        ReadOnlySpan<byte> after = range.After;
        ReadOnlySpan<byte> common = Common(range);
        if (range.Probed is not { } probed || !after.StartsWith(probed) || probed.Length < common.Length) return common.ToArray();
        if (range.HasManyDirectories) return null;
        int next = after[probed.Length..].IndexOf((byte)'/');
        return next < 0 ? null : after[..(probed.Length + next + 1)].ToArray();
    }

    async Task ProbeAsync(KeyRange range, byte[] directory)
    {
        byte[]? after;
        lock (_sync) after = range.After;
        ListPage page = await _requests.GetPageAsync(directory, after, null, byDirectory: true, _stop.Token);
        lock (_sync)
        {
            range.IsProbing = false;
            range.HasManyDirectories = page.IsTruncated;
            // Of very many directories the first thousand say nothing about the rest.
            range.Directories = page.IsTruncated ? [] : [.. page.Prefixes.Where(p => range.Contains(p)).Order(ByteOrder.Instance)];
            range.DirectoriesPassed = 0;
            range.KeysSinceFound = 0;
            range.KeysPerDirectoryElsewhere = range.LastPage.Count / CountDirectories(range.LastPage, directory.Length);
            Divide(range);
        }
    }

    /// <summary>Directories that ascending keys are in, at the level after a common prefix; at least 1.</summary>
    static int CountDirectories(List<SourceEntry> entries, int prefixLength)
    {
        int count = 0;
        ReadOnlySpan<byte> previous = [];
        foreach (SourceEntry entry in entries)
        {
            ReadOnlySpan<byte> rest = entry.Key.AsSpan(Math.Min(prefixLength, entry.Key.Length));
            ReadOnlySpan<byte> directory = rest[..(rest.IndexOf((byte)'/') + 1)];
            if (count == 0 || !directory.SequenceEqual(previous)) count++;
            previous = directory;
        }
        return Math.Max(1, count);
    }

    SourceException Unusable(string what) => new(SourceFault.Unavailable, $"{_host} answers a listing with {what}; is it an S3 endpoint?");

    sealed class ByteOrder : IComparer<byte[]>
    {
        public static readonly ByteOrder Instance = new();
        public int Compare(byte[]? a, byte[]? b) => a.AsSpan().SequenceCompareTo(b);
    }
}
