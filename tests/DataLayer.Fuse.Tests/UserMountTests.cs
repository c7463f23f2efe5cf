using System.Diagnostics;
using Xunit;

namespace DataLayer.Fuse.Tests;

/// <summary>Mounts of a user without privileges, through fusermount3. The tests run as root and step down.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class UserMountTests : IDisposable
{
    const string Nobody = "65534";
    const string ReadAheadLine = "fuse: information: Read-ahead stays at 128 KiB: raising it needs root and a writable /sys.";
    static readonly string[] AsNobody = ["setpriv", "--reuid", Nobody, "--regid", Nobody, "--clear-groups", "env", "HOME=/tmp", "DOTNET_BUNDLE_EXTRACT_BASE_DIR=/tmp"];

    readonly string _path;
    readonly UnixFileMode _deviceMode;

    public UserMountTests()
    {
        // As distributions ship it; a bare machine may have it for root only.
        _deviceMode = File.GetUnixFileMode("/dev/fuse");
        File.SetUnixFileMode("/dev/fuse", (UnixFileMode)0x1B6);
        _path = Directory.CreateTempSubdirectory("fuse-test-").FullName;
        Assert.Equal(0, TestReader.Run("chown", Nobody + ":" + Nobody, _path).Code);
    }

    [Theory]
    [InlineData("cloned")]
    [InlineData("single")]
    public void A_user_mounts_reads_and_unmounts(string transport)
    {
        using Process server = TestReader.Start([.. AsNobody, "--", "serve", _path, transport]);
        Assert.StartsWith(transport == "single" ? "ready SingleDescriptor" : "ready ClonedDescriptors", ReadLine(server), StringComparison.Ordinal);
        FuseMountInfo info = Assert.Single(FuseMountPoint.List(), entry => entry.Path == _path);
        Assert.Equal("test,with\\odd characters", info.Source);
        using (TestReader reader = new(AsNobody))
        {
            Assert.Equal("ok", reader.Ask("verify", "random", TestReader.Word(_path + "/file"), 2, 100_000));
            Assert.Equal("errno 30", reader.Ask("write", "create", TestReader.Word(_path + "/file")));
        }
        // Without allow_other not even root may enter.
        using (TestReader root = new()) Assert.Equal("errno 13", root.Ask("read-errno", TestReader.Word(_path + "/file")));
        server.StandardInput.Close();
        Assert.True(server.WaitForExit(TestReader.Patience));
        Assert.Equal((0, ""), (server.ExitCode, server.StandardError.ReadToEnd().Replace(ReadAheadLine, "", StringComparison.Ordinal).Trim()));
        Assert.DoesNotContain(FuseMountPoint.List(), entry => entry.Path == _path);
    }

    [Fact]
    public void A_user_recovers_a_mount_whose_server_was_killed()
    {
        using (Process first = TestReader.Start([.. AsNobody, "--", "serve", _path]))
        {
            Assert.StartsWith("ready", ReadLine(first), StringComparison.Ordinal);
            first.Kill();
            first.WaitForExit();
        }
        using Process second = TestReader.Start([.. AsNobody, "--", "serve", _path]);
        Assert.StartsWith("ready", ReadLine(second), StringComparison.Ordinal);
        using (TestReader reader = new(AsNobody)) Assert.Equal("ok", reader.Ask("verify", "mmap", TestReader.Word(_path + "/file"), 2, 100_000));
        second.StandardInput.Close();
        Assert.True(second.WaitForExit(TestReader.Patience));
    }

    [Fact]
    public async Task A_user_frees_the_callers_of_a_server_that_does_not_answer()
    {
        using Process server = TestReader.Start([.. AsNobody, "--", "serve", _path]);
        Assert.StartsWith("ready", ReadLine(server), StringComparison.Ordinal);
        using TestReader reader = new(AsNobody);
        Task<string> asked = reader.AskAsync("read-errno", TestReader.Word(_path + "/hangs"));
        await server.StandardInput.WriteLineAsync("abort");
        await server.StandardInput.FlushAsync();
        // ECONNABORTED, ENOTCONN through fusectl; EIO where it is not mounted and a user cannot mount it.
        Assert.Matches("^errno (5|103|107)$", await asked.WaitAsync(TestReader.Patience));
        server.StandardInput.Close();
        Assert.True(server.WaitForExit(TestReader.Patience));
    }

    [Fact]
    public void Allowing_others_without_permission_says_what_to_do()
    {
        using Process server = TestReader.Start([.. AsNobody, "--", "serve", _path, "allow-other"]);
        Assert.True(server.WaitForExit(TestReader.Patience));
        string error = server.StandardError.ReadToEnd().Trim();
        Assert.Equal(1, server.ExitCode);
        Assert.Contains("/etc/fuse.conf", error, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error);
    }

    [Fact]
    public void A_mount_point_of_another_user_is_refused_in_one_line()
    {
        Assert.Equal(0, TestReader.Run("chown", "0:0", _path).Code);
        using Process server = TestReader.Start([.. AsNobody, "--", "serve", _path]);
        Assert.True(server.WaitForExit(TestReader.Patience));
        string error = server.StandardError.ReadToEnd().Trim();
        Assert.Equal(1, server.ExitCode);
        Assert.Contains(_path, error, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error);
    }

    public void Dispose()
    {
        while (FuseMountPoint.Unmount(_path, lazy: true)) { }
        Directory.Delete(_path);
        File.SetUnixFileMode("/dev/fuse", _deviceMode);
    }

    static string? ReadLine(Process process)
    {
        Task<string?> line = process.StandardOutput.ReadLineAsync();
        FaultTests.Await(() => line.IsCompleted);
        return line.Result ?? process.StandardError.ReadToEnd();
    }
}
