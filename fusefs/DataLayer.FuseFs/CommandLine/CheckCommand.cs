using System.CommandLine;
using System.Text.Json;
using DataLayer.Cache;
using DataLayer.FuseFs.Control;

namespace DataLayer.FuseFs.CommandLine;

/// <summary>`dl-fuse check`: verifies every checksum of a cache directory.</summary>
static class CheckCommand
{
    public static Command Create()
    {
        Argument<string> directory = new("CACHE_DIR") { Description = "A cache directory, in use or not." };
        Option<bool> repair = new("--repair") { Description = "Mark damaged units as not cached, so that the next read fetches them again." };
        Option<bool> json = SharedOptions.Json();
        Command command = new("check", "Read a cache directory and verify every checksum. Exit code 1 when something is damaged.") { directory, repair, json };
        command.SetAction(async (parsed, cancellation) =>
        {
            StoreCheckResult result = await Terminal.CountAsync("checking bytes", progress =>
                StoreCheck.RunAsync(parsed.GetValue(directory)!, parsed.GetValue(repair), progress, cancellation));
            CheckSummary summary = new()
            {
                BlockFiles = result.BlockFiles,
                DamagedBlockFiles = result.DamagedBlockFiles,
                GoodUnits = result.UnitsOk,
                BadUnits = result.UnitsBad,
                AbsentUnits = result.UnitsAbsent,
                Bytes = result.BytesOk,
                Damaged = result.Bad.Select(bad => $"{bad.BlockFile} unit {bad.Unit}: {bad.Length} bytes at {bad.Offset}").ToArray(),
            };
            if (parsed.GetValue(json)) Console.WriteLine(JsonSerializer.Serialize(summary, ControlJson.Indented.CheckSummary));
            else summary.Print();
            return summary.BadUnits + summary.DamagedBlockFiles == 0 ? 0 : 1;
        });
        return command;
    }
}

/// <summary>What `check` found.</summary>
sealed record CheckSummary
{
    public long BlockFiles { get; init; }

    /// <summary>Block files without a readable list of checksums: the store removes them when it meets them.</summary>
    public long DamagedBlockFiles { get; init; }
    public long GoodUnits { get; init; }
    public long BadUnits { get; init; }
    public long AbsentUnits { get; init; }
    public long Bytes { get; init; }

    /// <summary>The first of the bad units, one line each.</summary>
    public IReadOnlyList<string> Damaged { get; init; } = [];

    public void Print()
    {
        Console.WriteLine($"block files  {BlockFiles:N0}, {DamagedBlockFiles:N0} unusable");
        Console.WriteLine($"units        {GoodUnits:N0} good, {BadUnits:N0} damaged, {AbsentUnits:N0} not cached");
        Console.WriteLine($"bytes        {Bytes:N0} ({Values.Size(Bytes)}) verified");
        foreach (string line in Damaged) Console.WriteLine($"damaged      {line}");
        if (BadUnits > 0) Console.WriteLine("Damaged units are never served: a read that meets one fetches it again.");
    }
}
