using System.Globalization;

namespace DataLayer.EndToEndBenchmarks.Data;

/// <summary>
/// What a generated data set looks like. Equal specs give equal bytes, on any machine.
/// </summary>
/// <param name="Name">Its prefix in the bucket.</param>
/// <param name="Files">How many files.</param>
/// <param name="Directories">Over how many directories they are spread evenly; 0 puts them at the root.</param>
/// <param name="MinBytes">Smallest file.</param>
/// <param name="MeanBytes">Mean size, reached to within 0.1% by log-normal sizes when the limits differ.</param>
/// <param name="MaxBytes">Largest file.</param>
internal sealed record DatasetSpec(string Name, int Files, int Directories, long MinBytes, long MeanBytes, long MaxBytes)
{
    /// <summary>Raised when the same spec would give other bytes, so that no older copy is taken for it.</summary>
    private const int GeneratorVersion = 1;

    // The spread of sizes: with it, a mean of 112 KB and limits of 4 KB and 1 MB, a tenth of the files is under
    // 16 KB and about 1% at the upper limit, as in image collections.
    private const double Sigma = 1.1;

    /// <summary>Names the stored files of this data set; other parameters are another name.</summary>
    internal string FileName => string.Create(CultureInfo.InvariantCulture,
        $"{Name}-v{GeneratorVersion}-{Files}x{Directories}-{MinBytes}-{MeanBytes}-{MaxBytes}");

    /// <summary>The spec that a file was named after.</summary>
    /// <exception cref="InvalidDataException">No spec has this name.</exception>
    internal static DatasetSpec FromFileName(string name)
    {
        string[] parts = name.Split('-', 'x');
        return parts.Length == 7 &&
            int.TryParse(parts[2], CultureInfo.InvariantCulture, out int files) &&
            int.TryParse(parts[3], CultureInfo.InvariantCulture, out int directories) &&
            long.TryParse(parts[4], CultureInfo.InvariantCulture, out long min) &&
            long.TryParse(parts[5], CultureInfo.InvariantCulture, out long mean) &&
            long.TryParse(parts[6], CultureInfo.InvariantCulture, out long max) &&
            new DatasetSpec(parts[0], files, directories, min, mean, max) is { } spec && spec.FileName == name
                ? spec
                : throw new InvalidDataException($"{name} is not the name of a data set of this version");
    }

    internal static DatasetSpec W1(int files) =>
        new("w1", files, Math.Clamp(files / 100, 1, 200), 4 << 10, 112 << 10, 1 << 20);

    internal static DatasetSpec W2(int files) =>
        new("w2", files, Math.Clamp(files / 100, 1, 200), 4 << 10, 4 << 10, 4 << 10);

    internal static DatasetSpec W3(long bytes) => new("w3", 1, 0, bytes, bytes, bytes);

    /// <summary>The path of file <paramref name="index"/>; ordinal order of paths is order of indices.</summary>
    internal string PathOf(int index)
    {
        if (Directories == 0) return string.Create(CultureInfo.InvariantCulture, $"model-{index:D5}.bin");
        long directory = (long)index * Directories / Files;
        return string.Create(CultureInfo.InvariantCulture, $"class-{directory:D4}/sample-{index:D7}.bin");
    }

    /// <summary>The size of each file, in the order of <see cref="PathOf"/>.</summary>
    internal long[] Sizes()
    {
        long[] sizes = new long[Files];
        if (MinBytes == MaxBytes)
        {
            Array.Fill(sizes, MeanBytes);
            return sizes;
        }

        // Clamping moves the mean of a log-normal draw, so its centre is searched for: 60 halvings exhaust a double.
        double[] draws = StandardNormals(Files);
        double low = Math.Log(Math.Max(1, MinBytes)), high = Math.Log(MaxBytes);
        for (int step = 0; step < 60; step++)
        {
            double centre = (low + high) / 2;
            double total = 0;
            for (int i = 0; i < draws.Length; i++)
            {
                sizes[i] = (long)Math.Clamp(Math.Exp(centre + Sigma * draws[i]), MinBytes, MaxBytes);
                total += sizes[i];
            }

            if (total / Files < MeanBytes) low = centre;
            else high = centre;
        }

        return sizes;
    }

    private static double[] StandardNormals(int count)
    {
        double[] draws = new double[count];
        for (int i = 0; i < count; i++)
        {
            // Box–Muller; +1 keeps the logarithm's argument above zero.
            double u = ((Content.Word(1, (ulong)i) >> 11) + 1.0) / (1UL << 53);
            double v = (Content.Word(2, (ulong)i) >> 11) / (double)(1UL << 53);
            draws[i] = Math.Sqrt(-2 * Math.Log(u)) * Math.Cos(2 * Math.PI * v);
        }

        return draws;
    }
}
