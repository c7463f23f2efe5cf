using System.CommandLine;
using DataLayer.Sources;

namespace DataLayer.FuseFs.CommandLine;

/// <summary>The options of every command that opens sources.</summary>
sealed class SharedOptions
{
    readonly Option<string?> endpoint = new("--endpoint") { Description = "S3 or OSS endpoint URL, for servers other than AWS.", HelpName = "URL" };
    readonly Option<string?> region = new("--region") { Description = "Region of the bucket (default: AWS_REGION, the profile, then us-east-1).", HelpName = "R" };
    readonly Option<bool> pathStyle = new("--path-style") { Description = "Name the bucket in the path instead of the host (by itself where the endpoint is an address)." };
    readonly Option<bool> anonymous = new("--anonymous") { Description = "Send unsigned requests (public buckets)." };

    readonly ExportOptions export = new();

    public void AddTo(Command command)
    {
        command.Options.Add(endpoint);
        command.Options.Add(region);
        command.Options.Add(pathStyle);
        command.Options.Add(anonymous);
        export.AddTo(command);
    }

    public SourceOptions Read(ParseResult parsed) => new()
    {
        Endpoint = parsed.GetValue(endpoint),
        Region = parsed.GetValue(region),
        // Not given: the source decides by the endpoint.
        PathStyle = parsed.GetValue(pathStyle) ? true : null,
        Anonymous = parsed.GetValue(anonymous),
        Odps = export.Read(parsed),
        Notify = Log.Warn,
        Indexing = new IndexingLine().Show,
    };

    /// <summary>An option whose text is parsed by one of <see cref="Values"/>' functions; a bad value is a usage error.</summary>
    public static Option<T> Parsed<T>(string name, string help, string description, TryParse<T> tryParse, string example, Func<T>? fallback = null) => new(name)
    {
        HelpName = help,
        Description = description,
        DefaultValueFactory = fallback is null ? null : _ => fallback(),
        CustomParser = argument =>
        {
            string text = argument.Tokens[0].Value;
            if (tryParse(text, out T value)) return value;
            argument.AddError($"{name}: '{text}' is not understood; write it like {example}.");
            return default;
        },
    };

    public delegate bool TryParse<T>(string text, out T value);

    /// <summary>
    /// Makes a command's positional arguments refuse what looks like an option: an unknown one would otherwise be taken as a
    /// path. A path that does begin with '-' can be written ./-name.
    /// </summary>
    public static void RefuseUnknownOptions(Command command, Argument<string[]> positional) => command.Validators.Add(result =>
    {
        foreach (string value in result.GetValue(positional) ?? [])
            if (value.StartsWith('-')) result.AddError($"{value} is not an option of {command.Name}.");
    });

    public static Option<bool> Json() => new("--json") { Description = "Print JSON for programs." };
}
