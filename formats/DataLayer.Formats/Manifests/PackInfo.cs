namespace DataLayer.Formats;

/// <summary>One pack: the packable files of a run of entries, laid end to end in entry order.</summary>
/// <param name="First">First entry of the run, a file of the pack.</param>
/// <param name="End">The run ends before it. Not every entry of the run is in the pack: directories, symlinks, empty and large files are skipped.</param>
/// <param name="Length">Bytes of all its files together.</param>
/// <param name="FileCount">Its files, that is its units.</param>
public readonly record struct PackInfo(BlockFileId Id, EntryIndex First, EntryIndex End, long Length, int FileCount);
