using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using DataLayer.Cache;
using DataLayer.FuseFs.CommandLine;

namespace DataLayer.CacheWorker.CommandLine;

/// <summary>`dl-worker check`.</summary>
static class CheckCommand
{
    public static Command Create()
    {
        Argument<string> directory = new("CACHE_DIR") { Description = "A worker's cache directory, in use or not." };
        Option<bool> repair = new("--repair") { Description = "Mark damaged units as not cached, so that the next read fetches them again." };
        Option<bool> json = SocketClient.Json();
        Command command = new("check", "Read a cache directory and verify every checksum. Exit code 1 when something is damaged.") { directory, repair, json };
        command.SetAction(async (parsed, cancellation) =>
        {
            StoreCheckResult result = await StoreCheck.RunAsync(parsed.GetValue(directory)!, parsed.GetValue(repair), new Progress<long>(), cancellation);
            CheckMessage message = new(result.BlockFiles, result.DamagedBlockFiles, result.UnitsOk, result.UnitsBad, result.UnitsAbsent, result.BytesOk);
            if (parsed.GetValue(json)) Console.WriteLine(JsonSerializer.Serialize(message, CheckJson.Default.CheckMessage));
            else
            {
                Console.WriteLine($"block files  {message.BlockFiles:N0}, {message.DamagedBlockFiles:N0} unusable");
                Console.WriteLine($"units        {message.GoodUnits:N0} good, {message.BadUnits:N0} damaged, {message.AbsentUnits:N0} not cached");
                Console.WriteLine($"bytes        {Values.Size(message.Bytes)} verified");
            }
            return message.BadUnits + message.DamagedBlockFiles == 0 ? 0 : 1;
        });
        return command;
    }
}

sealed record CheckMessage(long BlockFiles, long DamagedBlockFiles, long GoodUnits, long BadUnits, long AbsentUnits, long Bytes);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(CheckMessage))]
sealed partial class CheckJson : JsonSerializerContext;
