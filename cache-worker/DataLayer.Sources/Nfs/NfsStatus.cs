namespace DataLayer.Sources.Nfs;

/// <summary>nfsstat3 of RFC 1813 and nfsstat4 of RFC 7530, which share their numbers; only those that are told apart here.</summary>
internal enum NfsStatus : uint
{
    Ok = 0,
    NotPermitted = 1,
    NoEntry = 2,
    InputOutput = 5,
    NoDevice = 6,
    Access = 13,
    NotDirectory = 20,
    IsDirectory = 21,
    Invalid = 22,
    NameTooLong = 63,
    Stale = 70,
    BadHandle = 10001,
    BadCookie = 10003,
    NotSupported = 10004,
    ServerFault = 10006,

    /// <summary>NFS3ERR_JUKEBOX, NFS4ERR_DELAY: not now.</summary>
    Delay = 10008,

    /// <summary>A server that has just started gives its former clients' locks time to come back.</summary>
    Grace = 10013,
    HandleExpired = 10014,
    WrongSecurity = 10016,
    Resource = 10018,
    Moved = 10019,
    NoFileHandle = 10020,
    MinorVersionMismatch = 10021,
    NotSame = 10027,
    Symlink = 10029,
    BadCharacter = 10040,
    BadName = 10041,
}

internal static class NfsStatusKinds
{
    /// <summary>A file handle does not work any more: its file is gone, or the server forgot it.</summary>
    public static bool IsStale(this NfsStatus status) =>
        status is NfsStatus.Stale or NfsStatus.BadHandle or NfsStatus.HandleExpired or NfsStatus.NoFileHandle;

    /// <summary>Nothing is there, as far as this way of asking tells.</summary>
    public static bool IsGone(this NfsStatus status) =>
        status.IsStale() || status is NfsStatus.NoEntry or NfsStatus.NotDirectory or NfsStatus.IsDirectory or NfsStatus.Symlink
            or NfsStatus.NameTooLong or NfsStatus.Invalid or NfsStatus.BadCharacter or NfsStatus.BadName;

    public static bool IsDenied(this NfsStatus status) =>
        status is NfsStatus.Access or NfsStatus.NotPermitted or NfsStatus.WrongSecurity;

    /// <summary>The server asks to try again later, for as long as it takes.</summary>
    public static bool IsBusy(this NfsStatus status) => status is NfsStatus.Delay or NfsStatus.Grace or NfsStatus.Resource;

    /// <summary>May pass, or may be a broken disk: tried again a few times.</summary>
    public static bool IsServerTrouble(this NfsStatus status) =>
        status is NfsStatus.InputOutput or NfsStatus.ServerFault or NfsStatus.NoDevice;
}
