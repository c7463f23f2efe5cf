namespace DataLayer.TestKit;

/// <summary>A temporary directory that goes away with the test, with whatever odd names it holds.</summary>
public sealed class ScratchDirectory : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("datalayer-test-").FullName;

    public string Sub(string name) => Directory.CreateDirectory(System.IO.Path.Combine(Path, name)).FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Shell.Bash("chmod -R u+rwX -- \"$1\" && rm -rf -- \"$1\"", Path);
}
