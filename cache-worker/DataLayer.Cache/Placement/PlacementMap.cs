using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>Rendezvous hashing weighted by capacity. Immutable.</summary>
public sealed class PlacementMap
{
    readonly ulong[] _salts;

    public PlacementMap(IReadOnlyList<WorkerNode> workers, int copies)
    {
        Workers = workers;
        Copies = copies;
        _salts = [.. workers.Select(w => BinaryPrimitives.ReadUInt64LittleEndian(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(w.Name))))];
    }

    public IReadOnlyList<WorkerNode> Workers { get; }
    public int Copies { get; }

    /// <summary>Ordinals in <see cref="Workers"/>, best first; as many as the span holds.</summary>
    public int GetHomes(in BlockId block, Span<int> homes)
    {
        Span<double> scores = stackalloc double[homes.Length];
        int found = 0;
        for (int i = 0; i < _salts.Length; i++)
        {
            ulong z = block.Value.A ^ BitOperations.RotateLeft(block.Value.B, 17) ^ _salts[i];
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            z ^= z >> 31;
            double score = -Workers[i].Capacity / Math.Log(((z >> 11) + 0.5) / (1ul << 53));
            int at = Math.Min(found, homes.Length);
            while (at > 0 && scores[at - 1] < score) at--;
            if (at == homes.Length) continue;
            for (int j = Math.Min(found, homes.Length - 1); j > at; j--) (homes[j], scores[j]) = (homes[j - 1], scores[j - 1]);
            (homes[at], scores[at]) = (i, score);
            if (found < homes.Length) found++;
        }
        return found;
    }
}
