namespace DataLayer.TestReader;

/// <summary>The files that <see cref="Soak"/> reads.</summary>
static class SoakTree
{
    /// <param name="small">Files of up to 200 KB, in directories of 50.</param>
    /// <param name="large">Files of 3 to 12 MiB.</param>
    public static int Create(string root, int small, int large)
    {
        Random random = new(7);
        for (int i = 0; i < small; i++) Write(Path.Combine(root, $"d{i / 50}"), (ulong)i + 1, random.Next(1, 200_000));
        for (int i = 0; i < large; i++) Write(Path.Combine(root, "large"), (ulong)(1_000_000 + i), random.Next(3 << 20, 12 << 20));
        return 0;
    }

    static void Write(string directory, ulong seed, int size)
    {
        Directory.CreateDirectory(directory);
        byte[] content = new byte[size];
        Pattern.Fill(content, seed, 0);
        File.WriteAllBytes(Path.Combine(directory, $"{seed}-{size}"), content);
    }
}
