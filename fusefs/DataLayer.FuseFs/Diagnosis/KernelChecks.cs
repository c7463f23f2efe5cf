using DataLayer.Fuse;

namespace DataLayer.FuseFs.Diagnosis;

/// <summary>What this machine's kernel lets a mount do, found out by making one.</summary>
static class KernelChecks
{
    const string UringSwitch = "/sys/module/fuse/parameters/enable_uring";

    public static IEnumerable<Finding> Run()
    {
        string directory = Directory.CreateTempSubdirectory("dl-fuse-doctor-").FullName;
        try
        {
            return Probe(directory);
        }
        finally
        {
            Directory.Delete(directory);
        }
    }

    static List<Finding> Probe(string directory)
    {
        FuseNegotiation settled;
        try
        {
            using FuseHandover mount = FuseHandover.MountHeld(directory, new FuseOptions());
            settled = mount.Negotiation!;
            mount.Unmount();
        }
        catch (FuseException fault)
        {
            // Its message names the remedy.
            return [new Finding("mounting", Verdict.Bad, fault.Message)];
        }

        List<Finding> findings = [new Finding("mounting", Verdict.Good, $"works, as {(CurrentUser.IsRoot ? "root" : "a user, through fusermount3")}; Linux {Environment.OSVersion.Version}, FUSE 7.{settled.KernelMinor}")];
        Add("passthrough", settled.Has(FuseFeatures.Passthrough) && CurrentUser.IsRoot, "the kernel reads complete large files by itself", "large files go through this process", "Linux 6.9 with CONFIG_FUSE_PASSTHROUGH, and root (CAP_SYS_ADMIN)");
        Add("resend", settled.Has(FuseFeatures.HasResend), "the kernel sends unanswered requests again after a death (--hold)", "mounts with --hold keep a journal of requests instead", "Linux 6.9");
        Add("epoch", settled.HasEpoch, "a refresh changes all names at once", "on mounts with --refresh names may be a second old", "Linux 6.16");
        Add("io_uring", IsUringOn(), "requests travel by io_uring, except on mounts with --hold", "requests travel by read and write", File.Exists(UringSwitch) ? $"echo 1 > {UringSwitch}, or mount --enable-uring; not needed for --hold" : "Linux 6.14");
        return findings;

        void Add(string check, bool has, string with, string without, string remedy) =>
            findings.Add(has ? new Finding(check, Verdict.Good, with) : new Finding(check, Verdict.Limited, without, remedy));
    }

    static bool IsUringOn()
    {
        try
        {
            return File.ReadAllText(UringSwitch).Trim() is "Y" or "1";
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
