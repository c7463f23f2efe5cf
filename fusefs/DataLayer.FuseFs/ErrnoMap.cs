using DataLayer.Formats;
using DataLayer.Fuse;

namespace DataLayer.FuseFs;

/// <summary>The one map from faults to the errno a reader sees.</summary>
static class ErrnoMap
{
    public static Errno Of(Exception fault) => fault switch
    {
        SourceException { Fault: SourceFault.Changed } => Errno.ESTALE,
        SourceException { Fault: SourceFault.Denied } => Errno.EACCES,
        OperationCanceledException => Errno.EINTR,
        _ => Errno.EIO,
    };
}
