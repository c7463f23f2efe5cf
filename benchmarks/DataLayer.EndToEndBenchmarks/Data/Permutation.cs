namespace DataLayer.EndToEndBenchmarks.Data;

/// <summary>The order in which an epoch reads: equal seeds give equal orders in every process.</summary>
internal static class Permutation
{
    internal static int[] Of(int count, ulong seed)
    {
        int[] order = new int[count];
        for (int i = 0; i < count; i++)
        {
            // Fisher–Yates; the bias of a remainder is below 2^-40 for any count that fits an int.
            int j = (int)(Content.Word(seed, (ulong)i) % ((ulong)i + 1));
            order[i] = order[j];
            order[j] = i;
        }

        return order;
    }
}
