using System.Runtime.InteropServices;

namespace DataLayer.Formats.Tabular;

/// <summary>The deprecated 96-bit timestamp of Hive, Impala and Spark: nanoseconds of the day, then the Julian day.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
internal readonly struct Int96
{
    public readonly long NanosecondsOfDay;
    public readonly int JulianDay;
}
