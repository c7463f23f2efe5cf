using System.Text.Json.Serialization;

namespace DataLayer.FuseFs.Diagnosis;

/// <summary>How one check came out.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<Verdict>))]
enum Verdict
{
    Good,
    /// <summary>Mounts work, slower or with less than they could.</summary>
    Limited,
    /// <summary>Mounts, or this source, do not work.</summary>
    Bad,
}

/// <param name="Check">What was looked at, in a word or two.</param>
/// <param name="Found">What was found.</param>
/// <param name="Remedy">What to do; null when nothing has to be done.</param>
sealed record Finding(string Check, Verdict Verdict, string Found, string? Remedy = null);
