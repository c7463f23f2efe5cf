using DataLayer.EndToEndBenchmarks.Data;
using DataLayer.EndToEndBenchmarks.Reading;
using DataLayer.EndToEndBenchmarks.Server;
var w = args[1];
var d = Dataset.Open(DatasetSpec.W1(20000), w);
var d2 = Dataset.Open(DatasetSpec.W2(50000), w);
if (args[0] == "data") { Console.WriteLine(d.Index.TotalBytes); return; }
if (args[0] == "serve")
{
    using var store = new ObjectStore([d, d2]);
    using var server = new S3Server(store, "bench", int.Parse(args[2]), TimeSpan.FromMilliseconds(double.Parse(args[3])), long.Parse(args[4]));
    Console.WriteLine("ready " + server.Port);
    server.Run();
}
if (args[0] == "plain")
{
    var ds = args.Length > 4 && args[4] == "w2" ? d2 : d;
    using var c = new PlainClient(ds, "bench", int.Parse(args[2]), int.Parse(args[3]), Permutation.Of(ds.Index.Count, 7), 0);
    Console.WriteLine(c.Run());
    Console.WriteLine(Environment.CpuUsage.TotalTime);
}
