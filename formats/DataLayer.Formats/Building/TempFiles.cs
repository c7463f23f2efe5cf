using Microsoft.Win32.SafeHandles;

namespace DataLayer.Formats;

/// <summary>
/// Makes temporary files beside a build's output: there they do not fill a small /tmp, and the space is needed there anyway.
/// Each is unlinked as soon as it is open, so that a killed build leaves nothing behind.
/// </summary>
internal sealed class TempFiles(string directory)
{
    internal SafeFileHandle Create()
    {
        string path = Path.Combine(directory, $".datalayer-{Guid.NewGuid():N}.tmp");
        SafeFileHandle handle = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        try
        {
            File.Delete(path);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
        return handle;
    }
}
