using System.Diagnostics;
using DataLayer.TestReader;

// One command per line on standard input, one answer per line: "ok ...", "errno N" or "wrong ...". Fields are separated by
// spaces and percent-encoded, so that a path may hold any byte.
switch (args)
{
    case ["serve", string mountPoint, .. string[] options]:
        return Server.Run(mountPoint, options);
    case ["bench", string count, string size, string rounds]:
        return LookupReadBench.RunAll(int.Parse(count), int.Parse(size), int.Parse(rounds));
    case ["bench-serve", string mountPoint, string transport, string count, string size]:
        return LookupReadBench.Serve(mountPoint, Enum.Parse<DataLayer.Fuse.FuseTransportKind>(transport), int.Parse(count), int.Parse(size));
    case ["bench-client", string directory, string from, string to]:
        return LookupReadBench.RunClient(directory, int.Parse(from), int.Parse(to));
    case ["soak", string root, string number]:
        return Soak.Run(root, int.Parse(number));
    case ["impostor", string socket, string key]:
        return HoldImpostor.Run(socket, key);
    case ["soak-tree", string root, string small, string large]:
        return SoakTree.Create(root, int.Parse(small), int.Parse(large));
    case []:
        break;
    default:
        Console.Error.WriteLine("usage: DataLayer.TestReader [serve MOUNTPOINT [OPTION...] | bench FILES SIZE ROUNDS]");
        return 2;
}

while (Console.In.ReadLine() is { } line)
{
    string answer;
    try
    {
        answer = Commands.Execute(line.Split(' '));
    }
    catch (Exception fault) when (!Debugger.IsAttached)
    {
        answer = "wrong " + fault.ToString().ReplaceLineEndings(" | ");
    }
    Console.Out.WriteLine(answer);
    Console.Out.Flush();
}
return 0;
