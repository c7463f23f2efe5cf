using System.CommandLine;
using DataLayer.Fuse;

namespace DataLayer.FuseFs.CommandLine;

/// <summary>`dl-fuse unmount`.</summary>
static class UnmountCommand
{
    public static Command Create()
    {
        Argument<string> mountPoint = new("MOUNTPOINT") { Description = "A mounted dataset, or what a crashed mount left." };
        Option<bool> force = new("--force") { Description = "Also while files are open: their readers get errors." };
        Command command = new("unmount", "Unmount a dataset. Unmounting what is not mounted succeeds.") { mountPoint, force };
        command.SetAction(parsed =>
        {
            string path = Path.GetFullPath(parsed.GetValue(mountPoint)!);
            bool cut = parsed.GetValue(force);
            if (cut && FuseMountPoint.Find(path) is { } mount) FuseMountPoint.Abort(mount.ConnectionId);
            FuseMountPoint.Unmount(path, lazy: cut);
            return 0;
        });
        return command;
    }
}
