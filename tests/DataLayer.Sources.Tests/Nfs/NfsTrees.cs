using System.Runtime.InteropServices;
using System.Text;

namespace DataLayer.Sources.Tests.Nfs;

/// <summary>Makes trees with names that .NET's own file API cannot hold.</summary>
internal static partial class NfsTrees
{
    public const int Fifo = 0x1000, CharacterDevice = 0x2000, BlockDevice = 0x6000, Socket = 0xC000;

    /// <summary>Random directories, files, links and special files with random names, modes, owners and times.</summary>
    /// <returns>Content of every file, by key (one character per byte).</returns>
    public static Dictionary<string, byte[]> Make(string root, Random random, int entries)
    {
        List<byte[]> directories = [[]];
        HashSet<string> taken = [];
        Dictionary<string, byte[]> contents = [];
        for (int i = 0; i < entries; i++)
        {
            byte[] parent = directories[random.Next(directories.Count)];
            byte[] key = parent.Length == 0 ? Name(random) : [.. parent, (byte)'/', .. Name(random)];
            if (key.Length > 1500 || !taken.Add(TestSources.Text(key))) continue;
            byte[] path = Path(root, key);
            switch (random.Next(10))
            {
                case 0 or 1:
                    Check(mkdir(path, 0x1ff));
                    directories.Add(key);
                    break;
                case 2:
                    Check(symlink([.. Name(random), 0], path));
                    continue;
                case 3:
                    int kind = random.Next(4) switch { 0 => Fifo, 1 => Socket, 2 => CharacterDevice, _ => BlockDevice };
                    Check(mknod(path, (uint)(kind | 0x180), 0x103));
                    break;
                default:
                    byte[] content = TestSources.Bytes(random, random.Next(5) == 0 ? random.Next(200_000) : random.Next(3000));
                    Write(root, key, content);
                    contents.Add(TestSources.Text(key), content);
                    break;
            }
            Check(chown(path, (uint)random.Next(3000), (uint)random.Next(3000)));
            // After chown, which clears set-user-id. With search permission: see the referrals of NfsWalk.
            Check(chmod(path, (uint)random.Next(0x1000) | 0x40));
            // Version 3 has no times before 1970.
            long[] times = [random.Next(2_000_000_000), random.Next(1_000_000_000), random.NextInt64(0xFFFFFFFF), random.Next(1_000_000_000)];
            Check(utimensat(-100, path, times, 0));
        }
        return contents;
    }

    static byte[] Name(Random random)
    {
        byte[] name = random.Next(6) switch
        {
            0 => TestSources.Bytes(random, random.Next(1, 40)),
            1 => Encoding.UTF8.GetBytes("名前" + random.Next(100)),
            2 => Encoding.UTF8.GetBytes(new string('x', random.Next(200, 252)) + random.Next(100)),
            3 => [(byte)'\n', .. TestSources.Bytes(random, 3)],
            _ => Encoding.UTF8.GetBytes("n" + random.Next(1000)),
        };
        for (int i = 0; i < name.Length; i++)
            if (name[i] is 0 or (byte)'/') name[i] = (byte)'%';
        return name is [(byte)'.'] or [(byte)'.', (byte)'.'] ? "dot"u8.ToArray() : name;
    }

    public static void Write(string root, byte[] key, byte[] content)
    {
        int fd = open(Path(root, key), 0x41 /* O_WRONLY | O_CREAT */, 0x1a4);
        Check(fd);
        using FileStream stream = new(new Microsoft.Win32.SafeHandles.SafeFileHandle(fd, ownsHandle: true), FileAccess.Write);
        stream.Write(content);
    }

    static byte[] Path(string root, byte[] key) => [.. Encoding.UTF8.GetBytes(root), (byte)'/', .. key, 0];

    static void Check(int result)
    {
        if (result < 0) throw new IOException(Marshal.GetLastPInvokeErrorMessage());
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int mkdir(byte[] path, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int mknod(byte[] path, uint mode, ulong device);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int symlink(byte[] target, byte[] path);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int chmod(byte[] path, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int chown(byte[] path, uint uid, uint gid);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int open(byte[] path, int flags, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int utimensat(int directory, byte[] path, long[] times, int flags);
}
