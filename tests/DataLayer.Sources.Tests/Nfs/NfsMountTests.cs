using DataLayer.Formats;
using DataLayer.TestKit.Nfs;

namespace DataLayer.Sources.Tests.Nfs;

/// <summary>What an engineer reads who got the name of an export wrong.</summary>
public sealed class NfsMountTests
{
    [Fact]
    public async Task Mistakes_are_told_apart_in_one_line_each()
    {
        await using GaneshaServer server = await GaneshaServer.StartAsync();
        File.WriteAllText(server.Export + "/file", "");
        Directory.CreateSymbolicLink(server.Export + "/link", "/");
        foreach (int version in (int[])[3, 4])
        {
            string root = server.Uri(version);
            await ExpectAsync(root.Replace("/export", "/no-such-export", StringComparison.Ordinal), SourceFault.Misconfigured, version == 3 ? $"it exports {server.Export}" : "exports no such directory");
            await ExpectAsync(server.Uri(version, "/missing"), SourceFault.Misconfigured, "exports no such directory");
            await ExpectAsync(server.Uri(version, "/file"), SourceFault.Misconfigured, "directory");
            await ExpectAsync(server.Uri(version, "/link"), SourceFault.Misconfigured, "directory");
        }
    }

    [Fact]
    public async Task A_server_without_the_version_is_told_from_one_that_is_away()
    {
        await using GaneshaServer server = await GaneshaServer.StartAsync(protocols: "4");
        await ExpectAsync(server.Uri(4) + "&mountport=1", SourceFault.Misconfigured, "mountport belongs to version 3");
        await using ScriptedNfsServer only3 = new();
        only3.Alter = (program, _, results) => program == 100000 ? new byte[4] : results;
        await ExpectAsync($"nfs://127.0.0.1/x", SourceFault.Misconfigured, "no mount service for NFS version 3; try ?version=4", only3.Port);
    }

    [Fact]
    public async Task Access_denied_by_the_mount_service_says_what_to_do()
    {
        await using ScriptedNfsServer server = new();
        byte[] exported = new XdrBuilder().Int(1).Opaque("/x"u8).Int(1).Opaque("others"u8).Int(0).Int(0).ToArray();
        server.Alter = (program, procedure, results) => program != 100005 ? results : procedure == 1 ? [0, 0, 0, 13] : exported;
        await ExpectAsync(server.Uri, SourceFault.Denied, "access denied; export it to this machine");
        server.Alter = (program, _, results) => program == 100005 ? new XdrBuilder().Int(0).Opaque([1]).Int(1).Int(390003).ToArray() : results;
        await ExpectAsync(server.Uri, SourceFault.Denied, "wants Kerberos");
    }

    [Fact]
    public async Task The_port_mapper_is_asked_when_the_name_has_no_ports()
    {
        await using ScriptedNfsServer server = new();
        await using ISource source = Sources.Nfs.NfsSource.Open("nfs://127.0.0.1/x", new SourceOptions(), server.Port);
        Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(source);
        Assert.Equal(["", "d", "f", "l"], entries.Keys.Order());
        Assert.Equal("target"u8.ToArray(), entries["l"].LinkTarget);
        Assert.Equal(server.Content, await TestSources.ReadAsync(source, entries["f"]));
    }

    static async Task ExpectAsync(string uri, SourceFault fault, string text, int mapperPort = 111)
    {
        SourceException e = await Assert.ThrowsAsync<SourceException>(async () =>
        {
            await using ISource source = Sources.Nfs.NfsSource.Open(uri, new SourceOptions { ReadDeadline = TimeSpan.FromSeconds(20) }, mapperPort);
            await TestSources.ListAsync(source);
        });
        Assert.True(e.Fault == fault && e.Message.Contains(text, StringComparison.Ordinal), $"{uri}: {e.Fault}: {e.Message}");
        Assert.DoesNotContain('\n', e.Message);
    }
}
