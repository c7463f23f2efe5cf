using System.Buffers.Binary;
using DataLayer.Formats;

namespace DataLayer.ClusterSimulation;

/// <param name="First">Its first block in <see cref="Workload.Ids"/>.</param>
internal readonly record struct SimulatedDataset(string Name, int First, int Blocks);

/// <summary>A job: its nodes read a dataset so many times, each time in an order of its own, every block by one of them.</summary>
internal sealed record SimulatedJob(double Start, int Dataset, int[] Nodes, int Epochs, int Seed);

/// <summary>What the cluster is asked for: the same for every scheme, from the seed alone.</summary>
internal sealed class Workload
{
    public Workload(SimulationOptions options)
    {
        Random random = new(options.Seed);
        Datasets = new SimulatedDataset[options.Datasets];
        int blocks = 0;
        for (int i = 0; i < Datasets.Length; i++)
        {
            double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            int size = (int)Math.Clamp(options.MedianBlocks * Math.Exp(options.SizeSpread * normal), 1, options.MedianBlocks * 40);
            Datasets[i] = new SimulatedDataset($"dataset-{i}", blocks, size);
            blocks += size;
        }
        Ids = new BlockId[blocks];
        byte[] number = new byte[8];
        BinaryPrimitives.WriteInt32LittleEndian(number, options.Seed);
        for (int i = 0; i < blocks; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(number.AsSpan(4), i);
            Ids[i] = new BlockId(Digest.Of(number));
        }
        Jobs = [.. Enumerable.Range(0, options.Jobs).Select(_ => Job(options, random)).OrderBy(job => job.Start)];
    }

    public SimulatedDataset[] Datasets { get; }
    public BlockId[] Ids { get; }
    public SimulatedJob[] Jobs { get; }

    SimulatedJob Job(SimulationOptions options, Random random)
    {
        double[] weights = [.. Enumerable.Range(0, Datasets.Length).Select(i => Math.Pow(i + 1, -options.Popularity))];
        double pick = random.NextDouble() * weights.Sum();
        int dataset = 0;
        while (dataset < weights.Length - 1 && (pick -= weights[dataset]) > 0) dataset++;
        // From one node to an eighth of the cluster, each size as often as the next.
        int most = (int)Math.Log2(Math.Max(1, options.Nodes / 8));
        int count = Math.Min(1 << random.Next(most + 1), Datasets[dataset].Blocks);
        // Neighbours, as schedulers place them.
        int first = random.Next(options.Nodes);
        int[] nodes = [.. Enumerable.Range(0, count).Select(i => (first + i) % options.Nodes)];
        return new SimulatedJob(random.NextDouble() * options.Day.TotalSeconds, dataset, nodes, random.Next(1, 5), random.Next());
    }
}
