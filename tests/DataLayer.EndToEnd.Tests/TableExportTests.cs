using System.Globalization;
using System.Text.Json;
using DataLayer.TestKit;
using DataLayer.TestKit.Nfs;
using DataLayer.TestKit.S3;
using Xunit;

namespace DataLayer.EndToEnd.Tests;

/// <summary>Tables that DuckDB wrote under MaxCompute's names, mounted from each kind of source, and their rows read by other programs.</summary>
public sealed class TableExportTests(TableExportTests.Exported exported) : IClassFixture<TableExportTests.Exported>, IDisposable
{
    const string Job = "20250613080155495g6jtxahsztv3";

    readonly ScratchDirectory scratch = new();

    /// <summary>Two files of one export, and the rows that DuckDB reads from them.</summary>
    public sealed class Exported : IDisposable
    {
        readonly ScratchDirectory scratch = new();

        public Exported()
        {
            const string rows = """
                SELECT range AS id, CASE WHEN range % 9 = 0 THEN NULL ELSE 'name, "' || range || '" ünï' END AS name,
                (range * 0.5)::DECIMAL(12,1) AS half, DATE '2025-01-01' + (range % 365)::INTEGER AS day, md5(range::VARCHAR) AS wide, [range, NULL] AS list FROM range(
                """;
            DuckDb.Run(
                $"COPY ({rows} 40000)) TO '{File(0)}' (FORMAT parquet, ROW_GROUP_SIZE 10000)",
                $"COPY ({rows} 40000, 60000)) TO '{File(1)}' (FORMAT parquet, ROW_GROUP_SIZE 10000)",
                $"COPY (SELECT * FROM read_parquet(['{File(0)}', '{File(1)}'])) TO '{Rows}' (FORMAT json)",
                $"COPY (SELECT range AS a, range * 2 AS b, md5(range::VARCHAR) AS c, sha256(range::VARCHAR) AS d FROM range(150000)) TO '{Wide}' (FORMAT parquet, ROW_GROUP_SIZE 200000)",
                $"COPY (SELECT day, id FROM read_parquet('{File(0)}')) TO '{TwoColumns}' (FORMAT json)");
        }

        public string Folder => scratch.Path;

        public string Rows => scratch.File("expected.rows");

        public string TwoColumns => scratch.File("expected.columns");

        /// <summary>One row group with two narrow columns and then two wide ones.</summary>
        public string Wide => scratch.File("wide");

        public string File(int number) => scratch.File($"{Job}_M1_{number}_0_0-0_TableSink1");

        public void CopyTo(string folder)
        {
            for (int i = 0; i < 2; i++) System.IO.File.Copy(File(i), Path.Combine(folder, Path.GetFileName(File(i))));
        }

        public void Dispose() => scratch.Dispose();
    }

    Mounted Mount(IReadOnlyDictionary<string, string>? environment, params string[] arguments) =>
        new(scratch.File("mnt"), environment, [.. arguments, "--cache-dir", scratch.File("cache")]);

    static void AssertSame(string expected, string mountPoint, string view) =>
        Assert.Equal("", Shell.Bash("cmp \"$1\" \"$2/$3\" 2>&1", expected, mountPoint, view).Output);

    [Fact]
    public void A_directory_shows_files_and_rows_and_any_row_is_found_by_its_offset()
    {
        string source = scratch.Sub("export");
        exported.CopyTo(source);
        using Mounted mount = Mount(null, $"odps+file://{source}", "--rows", "all", "--parts", "3");
        Assert.Equal($"{Job}_M1_0_0_0-0_TableSink1.parquet\n{Job}_M1_1_0_0-0_TableSink1.parquet\n", Shell.Bash("ls \"$1\"", mount.MountPoint).Checked);
        Assert.Equal(
            "part-00000-of-00003.jsonl\npart-00001-of-00003.jsonl\npart-00002-of-00003.jsonl\nrows.csv\nrows.csv.index\nrows.jsonl\nrows.jsonl.index\nschema.json\nstats.json\n",
            Shell.Bash("ls \"$1/.table\"", mount.MountPoint).Checked);
        Assert.Equal("", Shell.Bash("cmp \"$1\" \"$2\" 2>&1", exported.File(0), Path.Combine(mount.MountPoint, Path.GetFileName(exported.File(0)) + ".parquet")).Output);

        // Random reads before the whole: nothing is cached yet.
        int seed = Random.Shared.Next();
        Random random = new(seed);
        long size = new FileInfo(exported.Rows).Length;
        for (int i = 0; i < 6; i++)
        {
            string offset = random.NextInt64(size).ToString(CultureInfo.InvariantCulture), length = random.Next(1, 300_000).ToString(CultureInfo.InvariantCulture);
            ShellResult same = Shell.Bash("cmp <(tail -c +$((1+$3)) \"$1\" | head -c $4) <(tail -c +$((1+$3)) \"$2/.table/rows.jsonl\" | head -c $4)", exported.Rows, mount.MountPoint, offset, length);
            Assert.True(same.ExitCode == 0, $"{length} bytes at {offset}, seed {seed}: {same.Output}{same.Errors}");
        }
        // The pair before the row wanted, then lines from there.
        const string rowByOffset = """
            view="$1/.table/rows.jsonl" wanted=$2
            read -r row offset < <(od -v -A n -t u8 -w16 "$view.index" | awk -v n="$wanted" '$1 <= n { r = $1; o = $2 } END { print r, o }')
            tail -c +$((offset + 1)) "$view" | sed -n "$((wanted - row + 1)){p;q}"
            """;
        foreach (int row in (int[])[0, 1023, 1024, 39_999, 40_000, 59_999])
            Assert.Equal(Shell.Bash("sed -n \"$2{p;q}\" \"$1\"", exported.Rows, $"{row + 1}").Checked, Shell.Bash(rowByOffset, mount.MountPoint, $"{row}").Checked);

        Assert.Equal(Shell.Bash("head \"$1\"", exported.Rows).Checked, Shell.Bash("head \"$1/.table/rows.jsonl\"", mount.MountPoint).Checked);
        AssertSame(exported.Rows, mount.MountPoint, ".table/rows.jsonl");
        Assert.Equal("", Shell.Bash("cat \"$2\"/.table/part-* | cmp - \"$1\" 2>&1", exported.Rows, mount.MountPoint).Output);
        Assert.Equal("60001\n", Shell.Bash("wc -l < \"$1/.table/rows.csv\"", mount.MountPoint).Checked);
        // An ordinary file: a second read is the kernel's or the cache's, and no decoding.
        long fetched = mount.Stat("bytesFromSource");
        AssertSame(exported.Rows, mount.MountPoint, ".table/rows.jsonl");
        Assert.Equal(fetched, mount.Stat("bytesFromSource"));
    }

    [Fact]
    public async Task A_bucket_is_asked_for_the_chosen_partitions_and_columns_only()
    {
        await using FaultyS3Server server = new();
        byte[] day = File.ReadAllBytes(exported.File(0));
        foreach (string partition in (string[])["ds=20240101", "ds=20240102"]) server.Put($"table/{partition}/{Job}_M1_0_0_0-0_TableSink1", day);
        Dictionary<string, string> credentials = new() { ["AWS_ACCESS_KEY_ID"] = server.AccessKey, ["AWS_SECRET_ACCESS_KEY"] = server.SecretKey, ["AWS_EC2_METADATA_DISABLED"] = "true" };
        using Mounted mount = Mount(credentials, $"odps+s3://{server.Bucket}/table", "--endpoint", server.Endpoint, "--rows", "jsonl", "--where", "ds>='20240102'", "--columns", "day,id");
        AssertSame(exported.TwoColumns, mount.MountPoint, ".table/rows.jsonl");
        Assert.All(server.Calls.Where(call => call.Kind == S3CallKind.Get && call.Key.Contains("ds=20240101", StringComparison.Ordinal)), call => Assert.True(Length(call) <= 64 << 10, $"{call.Range}"));
        long fetched = server.Calls.Where(call => call.Kind == S3CallKind.Get).Sum(Length);
        // Once for the index and once for the rows; the columns that were not asked for are nine tenths of the file.
        Assert.True(fetched < day.Length, $"{fetched} bytes were fetched for two of six columns of a file of {day.Length}");
        Assert.Equal("2\n", Shell.Bash("ls -R \"$1\"/ds=* | grep -c parquet", mount.MountPoint).Checked);

        long Length(S3Call call)
        {
            if (call.Range is not { } range) return day.Length;
            string[] ends = range["bytes=".Length..].Split('-');
            return long.Parse(ends[1], CultureInfo.InvariantCulture) - long.Parse(ends[0], CultureInfo.InvariantCulture) + 1;
        }
    }

    [Fact]
    public async Task Warming_columns_of_partitions_fetches_little_else()
    {
        await using FaultyS3Server server = new();
        byte[] wide = File.ReadAllBytes(exported.Wide);
        foreach (string partition in (string[])["ds=1", "ds=2"]) server.Put($"table/{partition}/{Job}_M1_0_0_0-0_TableSink1", wide);
        Dictionary<string, string> credentials = new() { ["AWS_ACCESS_KEY_ID"] = server.AccessKey, ["AWS_SECRET_ACCESS_KEY"] = server.SecretKey, ["AWS_EC2_METADATA_DISABLED"] = "true" };
        using Mounted mount = Mount(credentials, $"odps+s3://{server.Bucket}/table", "--endpoint", server.Endpoint);
        Assert.Contains("no directory is a partition of 'hour'", DlFuse.Run("warm", mount.MountPoint, "--where", "hour=1").Errors);
        Assert.Contains("no Parquet file has a column 'x'", DlFuse.Run("warm", mount.MountPoint, "--columns", "x").Errors);
        long before = mount.Stat("bytesFromSource");
        DlFuse.Run("warm", mount.MountPoint, "--columns", "b", "--where", "ds=2").Checked.ToString();
        long fetched = mount.Stat("bytesFromSource") - before;
        Assert.True(fetched > 0 && fetched < wide.Length / 2, $"{fetched} bytes were fetched for one narrow column of a file of {wide.Length}");
        // Everything, and no rows unless they are named.
        DlFuse.Run("warm", mount.MountPoint).Checked.ToString();
        Assert.Equal(2L * wide.Length, mount.Stat("bytesFromSource"));
    }

    [Fact]
    public void Overlapping_exports_are_reported_and_one_is_chosen()
    {
        string source = scratch.Sub("export");
        exported.CopyTo(source);
        File.WriteAllText(Path.Combine(source, "20200101000000000gearlier1_M1_0_0_0-0_TableSink1"), "1\tearlier\n");
        using (Mounted undecided = Mount(null, $"odps+file://{source}", "--rows", "jsonl"))
        {
            Assert.Contains("2 exports overlap", undecided.Errors);
            Assert.Contains("--export latest", undecided.Errors);
            Assert.Equal("schema.json\nstats.json\n", Shell.Bash("ls \"$1/.table\"", undecided.MountPoint).Checked);
            Assert.Equal("3\n", Shell.Bash("ls \"$1\" | wc -l", undecided.MountPoint).Checked);
        }
        using Mounted latest = Mount(null, $"odps+file://{source}", "--rows", "jsonl", "--export", "latest");
        AssertSame(exported.Rows, latest.MountPoint, ".table/rows.jsonl");
        Assert.Equal("2\n", Shell.Bash("ls \"$1\" | wc -l", latest.MountPoint).Checked);
    }

    [Fact]
    public void A_snapshot_carries_its_rows_and_is_mounted_without_options()
    {
        string source = scratch.Sub("export"), file = scratch.File("table.manifest");
        exported.CopyTo(source);
        DlFuse.Run("snapshot", $"odps+file://{source}", "--rows", "jsonl", "-o", file).Checked.ToString();
        using (Mounted mount = Mount(null, $"odps+file://{source}", "--snapshot", file))
            AssertSame(exported.Rows, mount.MountPoint, ".table/rows.jsonl");
        // Without what was stored beside it the same options make it again.
        Directory.Delete(file + ".tables", recursive: true);
        using Mounted again = new(scratch.File("mnt"), $"odps+file://{source}", "--snapshot", file, "--rows", "jsonl", "--cache-dir", scratch.File("other"));
        AssertSame(exported.Rows, again.MountPoint, ".table/rows.jsonl");
    }

    [Fact]
    public async Task A_directory_a_bucket_an_NFS_export_and_a_table_export_make_one_dataset()
    {
        await using FaultyS3Server server = new();
        await using GaneshaServer nfs = await GaneshaServer.StartAsync();
        server.Put("train/image", "from the bucket"u8.ToArray());
        string directory = scratch.Sub("labels");
        File.WriteAllText(Path.Combine(directory, "label"), "from the directory");
        Directory.CreateDirectory(nfs.Export + "/volume");
        Directory.CreateDirectory(nfs.Export + "/table");
        File.WriteAllText(nfs.Export + "/volume/file", "from the NFS export");
        exported.CopyTo(nfs.Export + "/table");
        Dictionary<string, string> credentials = new() { ["AWS_ACCESS_KEY_ID"] = server.AccessKey, ["AWS_SECRET_ACCESS_KEY"] = server.SecretKey, ["AWS_EC2_METADATA_DISABLED"] = "true" };
        using Mounted mount = Mount(credentials, $"s3://{server.Bucket}/train=images", $"{directory}=labels", $"{nfs.Uri(4, "/volume")}=nas", $"odps+{nfs.Uri(3, "/table")}=table",
            "--endpoint", server.Endpoint, "--rows", "jsonl,csv");
        Assert.Equal("from the bucket", Shell.Bash("cat \"$1/images/image\"", mount.MountPoint).Checked);
        Assert.Equal("from the directory", Shell.Bash("cat \"$1/labels/label\"", mount.MountPoint).Checked);
        Assert.Equal("from the NFS export", Shell.Bash("cat \"$1/nas/file\"", mount.MountPoint).Checked);
        AssertSame(exported.Rows, mount.MountPoint, "table/.table/rows.jsonl");
        Assert.Equal("", Shell.Bash("cmp \"$1\" \"$2\" 2>&1", exported.File(1), Path.Combine(mount.MountPoint, "table", Path.GetFileName(exported.File(1)) + ".parquet")).Output);
        JsonElement stats = JsonDocument.Parse(Shell.Bash("cat \"$1/table/.table/stats.json\"", mount.MountPoint).Checked).RootElement;
        Assert.Equal(60_000, stats.GetProperty("rows").GetInt64());
    }

    public void Dispose() => scratch.Dispose();
}
