namespace DataLayer.Cache;

/// <summary>Makes or checks a cache directory before anything in it is trusted.</summary>
internal static class StoreFolder
{
    const string Version = "datalayer block store 1\n";
    const int OwnerOnly = 0x1C0; // 0700: another user never shares what a user may read.
    const int PermissionBits = 0x1FF;

    /// <summary>Returns 0, or the errno of a disk that cannot be written (the caller then goes on without a cache).</summary>
    /// <exception cref="StoreException">Something that waiting or a better disk would not mend.</exception>
    public static int Prepare(StorePaths paths)
    {
        string root = paths.Root;
        if (!Directory.Exists(root))
        {
            if (File.Exists(root)) throw new StoreException($"{root} is not a directory: choose another cache directory");
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(root)) ?? "/");
            if (Libc.MkDir(root, OwnerOnly) != 0 && Libc.LastError != Libc.EEXIST) return Libc.LastError;
        }
        int errno = Libc.Stat(root, out uint owner, out int mode);
        if (errno != 0) return errno;
        if (owner != Libc.GetEUid())
            throw new StoreException($"{root} belongs to user {owner}, this process runs as {Libc.GetEUid()}: a cache is never shared between users, choose another cache directory");

        if (File.Exists(paths.Version)) CheckVersion(paths);
        else if (Directory.EnumerateFileSystemEntries(root).Any(entry => Path.GetFileName(entry) is not ("lost+found" or "lock" or "blocks" or "datasets" or "socket" or "version.new")))
            throw new StoreException($"{root} is neither empty nor a cache directory: choose another one");

        if ((mode & PermissionBits & ~OwnerOnly) != 0 && Libc.ChMod(root, OwnerOnly) != 0) return Libc.LastError;
        return 0;
    }

    /// <summary>Writes what a new store needs; called with the lock held.</summary>
    public static void Create(StorePaths paths)
    {
        if (!File.Exists(paths.Version))
        {
            string fresh = paths.Version + ".new";
            File.WriteAllText(fresh, Version);
            File.Move(fresh, paths.Version, overwrite: true);
        }
        CheckVersion(paths);
        Directory.CreateDirectory(paths.Datasets);
        for (int i = 0; i < 256; i++) Directory.CreateDirectory(paths.Folder(i));
    }

    public static void CheckVersion(StorePaths paths)
    {
        string found = File.ReadAllText(paths.Version);
        if (found != Version)
            throw new StoreException($"{paths.Root} was written in another format ({found.Trim()}), this is {Version.Trim()}: delete it, use another cache directory, or use the program version that wrote it");
    }
}
