using System.CommandLine;
using System.Text;
using DataLayer.Formats;

namespace DataLayer.FuseFs.CommandLine;

/// <summary>`dl-fuse show`: tells what a manifest file holds.</summary>
static class ShowCommand
{
    public static Command Create()
    {
        Argument<string> file = new("FILE") { Description = "A snapshot file." };
        Option<bool> unrepresentable = new("--unrepresentable") { Description = "List each key that was left out and why, one per line." };
        Option<bool> verify = new("--verify") { Description = "Read the whole file and check every checksum." };
        Option<bool> json = SharedOptions.Json();
        Command command = new("show", "Show what a snapshot holds.") { file, unrepresentable, verify, json };
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(parsed, cancellation)));
        return command;

        int Run(ParseResult parsed, CancellationToken cancellation)
        {
            string path = parsed.GetValue(file)!;
            using Manifest manifest = Manifest.Open(path);
            if (parsed.GetValue(verify)) manifest.Verify(cancellation);
            if (!parsed.GetValue(unrepresentable))
            {
                SnapshotSummary.Of(manifest, new FileInfo(path).Length).Print(parsed.GetValue(json));
                return 0;
            }

            // Keys are bytes that may hold anything: control characters would let a key write to the terminal.
            foreach (UnrepresentableKey key in manifest.ReadUnrepresentable())
                Console.WriteLine($"{manifest.Sources[key.Source].Identity}\t{Escape(key.Key)}\t{key.Reason}");
            return 0;
        }
    }

    static string Escape(byte[] key)
    {
        StringBuilder text = new();
        foreach (byte b in key)
        {
            if (b is >= 0x20 and < 0x7f && b != '\\') text.Append((char)b);
            else text.Append($"\\x{b:x2}");
        }

        return text.ToString();
    }
}
