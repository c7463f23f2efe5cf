namespace DataLayer.EndToEndBenchmarks.Targets;

/// <summary>A directory with everything below it.</summary>
internal static class Tree
{
    private const int Tries = 20;

    /// <summary>Removes it. A killed mount process may still be writing its cache when the first try comes.</summary>
    internal static async Task Remove(string path)
    {
        for (int attempt = 1; Directory.Exists(path); attempt++)
        {
            try
            {
                Directory.Delete(path, true);
            }
            catch (IOException) when (attempt < Tries)
            {
                await Task.Delay(100);
            }
        }
    }
}
