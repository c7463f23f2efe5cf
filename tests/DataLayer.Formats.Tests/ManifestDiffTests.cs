using Xunit;

namespace DataLayer.Formats.Tests;

public sealed class ManifestDiffTests : BuilderTests
{
    static string Describe(ManifestChange change, Manifest old, Manifest @new)
    {
        string path = ManifestModel.Text(change.Old is EntryIndex o ? old.GetPath(o) : @new.GetPath(change.New!.Value));
        if (change is { Old: EntryIndex before, New: EntryIndex after }) Assert.Equal(old.GetPath(before), @new.GetPath(after));
        return $"{change.Kind} /{path}{(change.WithDirectory ? " with directory" : "")}";
    }

    async Task<List<string>> Diff(IEnumerable<SourceEntry> before, IEnumerable<SourceEntry> after)
    {
        using Manifest old = await Build(before, name: "old"), @new = await Build(after, name: "new");
        return [.. ManifestDiff.Compare(old, @new).Select(change => Describe(change, old, @new))];
    }

    [Fact]
    public async Task Each_kind_of_change_is_told_once_and_directories_that_list_otherwise_too()
    {
        SourceEntry[] before =
        [
            ListedSource.Directory("d"), ListedSource.File("d/same"), ListedSource.File("d/touched", mtime: 1), ListedSource.File("d/new-content"),
            ListedSource.File("gone"), ListedSource.File("gone-dir/x"), ListedSource.File("turns-dir"), ListedSource.File("turns-file/y"),
            ListedSource.Symlink("link", "a"), ListedSource.Directory("chmod"), ListedSource.File("quiet/z"),
        ];
        SourceEntry[] after =
        [
            ListedSource.Directory("d"), ListedSource.File("d/same"), ListedSource.File("d/touched", mtime: 2), ListedSource.File("d/new-content", size: 11),
            ListedSource.File("turns-dir/n"), ListedSource.File("turns-file"), ListedSource.File("come-dir/sub/x"),
            ListedSource.Symlink("link", "b"), ListedSource.Directory("chmod", mode: 0x1C0), ListedSource.File("quiet/z"),
        ];
        Assert.Equal(
            (string[])
            [
                "Added /come-dir",
                "Added /come-dir/sub with directory",
                "Added /come-dir/sub/x with directory",
                "Added /turns-dir/n with directory",
                "Attributes /chmod",
                "Attributes /d/touched",
                "Listing /",
                "Listing /d",
                "Removed /gone",
                "Removed /gone-dir",
                "Removed /gone-dir/x with directory",
                "Removed /turns-file/y with directory",
                "Replaced /d/new-content",
                "Replaced /link",
                "Replaced /turns-dir",
                "Replaced /turns-file",
            ],
            (await Diff(before, after)).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Equal_snapshots_do_not_differ()
    {
        List<SourceEntry> listing = RandomListing.Make(new Random(1), 500);
        Assert.Empty(await Diff(listing, listing));
    }

    [Fact]
    public async Task A_directory_with_more_changes_than_a_batch_is_told_whole()
    {
        List<string> changes = await Diff([], Enumerable.Range(0, 10_000).Select(i => ListedSource.File($"f{i}")));
        Assert.Equal(10_000, changes.Count(change => change.StartsWith("Added /f", StringComparison.Ordinal)));
        Assert.Equal(10_000, changes.Distinct().Count(change => change.StartsWith("Added", StringComparison.Ordinal)));
        Assert.Contains("Listing /", changes);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Random_edits_are_found_like_in_a_dictionary(int seed)
    {
        Random random = new(seed);
        List<SourceEntry> before = RandomListing.Make(random, 1500);
        List<SourceEntry> after = [];
        foreach (SourceEntry entry in before)
        {
            int fate = random.Next(10);
            if (fate == 0) continue;
            if (fate == 1 && entry.Kind == EntryKind.File && entry.Key[^1] != '/') after.Add(entry with { VersionTag = [1, 2, 3] });
            else if (fate == 2) after.Add(entry with { Uid = entry.Uid + 1 });
            else after.Add(entry);
        }
        after.AddRange(Enumerable.Range(0, 50).Select(i => ListedSource.File($"added/{i}")));

        SortedDictionary<string, SourceEntry> oldModel = ManifestModel.Of(before).Entries, newModel = ManifestModel.Of(after).Entries;
        using Manifest old = await Build(before, name: "old"), @new = await Build(after, name: "new");
        HashSet<string> seen = [];
        foreach (ManifestChange change in ManifestDiff.Compare(old, @new))
        {
            string path = ManifestModel.Text(change.Old is EntryIndex o ? old.GetPath(o) : @new.GetPath(change.New!.Value));
            Assert.True(seen.Add($"{(change.Kind == ManifestChangeKind.Listing ? "L" : "")}/{path}"), path);
            Assert.Equal(change.Kind is not ManifestChangeKind.Added, oldModel.ContainsKey(path));
            Assert.Equal(change.Kind is not ManifestChangeKind.Removed, newModel.ContainsKey(path));
        }
        foreach (string path in oldModel.Keys.Union(newModel.Keys))
        {
            bool inOld = oldModel.TryGetValue(path, out SourceEntry a), inNew = newModel.TryGetValue(path, out SourceEntry b);
            bool same = inOld && inNew && Attributes(old, path) == Attributes(@new, path);
            Assert.Equal(!same, seen.Contains("/" + path));
            if (inOld != inNew && path.Length > 0)
            {
                string parent = path.LastIndexOf('/') is int slash and >= 0 ? path[..slash] : "";
                if (oldModel.ContainsKey(parent) && newModel.ContainsKey(parent)) Assert.Contains("L/" + parent, seen);
            }
        }
    }

    static ManifestEntry Attributes(Manifest manifest, string path) => manifest.Get(ManifestModel.Resolve(manifest, path));
}
