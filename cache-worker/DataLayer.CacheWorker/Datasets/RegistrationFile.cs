using System.Text.Json;
using System.Text.Json.Serialization;

namespace DataLayer.CacheWorker.Datasets;

/// <summary>
/// The datasets a worker serves, as a file: what a controller would keep. Holds no secret; credentials of sources come from
/// the worker's environment.
/// <code>
/// { "datasets": [ { "name": "train", "generation": 1, "sources": [ { "uri": "s3://bucket/train", "subPath": "", "endpoint": null } ] } ] }
/// </code>
/// </summary>
sealed record RegistrationFile
{
    public required IReadOnlyList<DatasetRegistration> Datasets { get; init; }

    /// <exception cref="UserException">What is wrong, and where.</exception>
    public static RegistrationFile Read(string path)
    {
        try
        {
            RegistrationFile file = JsonSerializer.Deserialize(File.ReadAllBytes(path), RegistrationJson.Default.RegistrationFile)
                ?? throw new UserException($"{path}: empty; it needs {{\"datasets\": [...]}}.");
            foreach (DatasetRegistration dataset in file.Datasets) dataset.Validate(path);
            if (file.Datasets.GroupBy(d => d.Name).FirstOrDefault(g => g.Count() > 1) is { } twice) throw new UserException($"{path}: dataset '{twice.Key}' is there twice.");
            return file;
        }
        catch (JsonException fault)
        {
            throw new UserException($"{path}: {fault.Message}", fault);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"--datasets {path}: {fault.Message}", fault);
        }
    }
}

/// <param name="Generation">Grows with every change of the registration; a higher one is listed anew.</param>
sealed record DatasetRegistration(string Name, long Generation, IReadOnlyList<SourceRegistration> Sources)
{
    /// <summary>Share of the cache among the active datasets.</summary>
    // Not init: generated deserializers would set those that the file leaves out to zero.
    public double Weight { get; set; } = 1;

    public void Validate(string path)
    {
        // It becomes a path segment of the API and a label of metrics.
        bool sound = Name is { Length: > 0 and <= 100 } && Name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_') && Name[0] != '.';
        if (!sound) throw new UserException($"{path}: dataset '{Name}': names are letters, digits, '-', '.' and '_'.");
        if (Sources is not { Count: > 0 }) throw new UserException($"{path}: dataset '{Name}' has no sources.");
        if (!(Weight > 0) || double.IsInfinity(Weight)) throw new UserException($"{path}: dataset '{Name}': its weight must be positive.");
        if (Sources.GroupBy(s => s.SubPath.Trim('/')).Any(g => g.Count() > 1)) throw new UserException($"{path}: dataset '{Name}': two sources have the same subPath.");
    }
}

sealed record SourceRegistration(string Uri)
{
    public string SubPath { get; set; } = "";
    public string? Endpoint { get; init; }
    public string? Region { get; init; }
    public bool? PathStyle { get; init; }
    public bool Anonymous { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, ReadCommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true)]
[JsonSerializable(typeof(RegistrationFile))]
sealed partial class RegistrationJson : JsonSerializerContext;
