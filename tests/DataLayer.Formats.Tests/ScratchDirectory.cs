namespace DataLayer.Formats.Tests;

/// <summary>A directory of one test, removed with it. Fails the test when a build left temporary files behind.</summary>
sealed class ScratchDirectory : IDisposable
{
    internal string Root { get; } = Directory.CreateTempSubdirectory("datalayer-formats-").FullName;

    internal string this[string name] => Path.Combine(Root, name);

    public void Dispose()
    {
        string[] left = Directory.GetFiles(Root, "*.tmp");
        Directory.Delete(Root, recursive: true);
        Xunit.Assert.Empty(left);
    }
}
