using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>Brings the rest of an admitted pack, file by file in pack order. Used under its queue's lock.</summary>
internal sealed class PackFill(FetchQueue queue, BlockFile block, FileLocation[] files, FetchTable table, BlockWriter writer)
{
    int _next;

    public BlockFile Block => block;

    /// <summary>The next fetch, already in the table; null when the pack needs no more.</summary>
    public Fetch? Next()
    {
        if (!block.TryEnter()) return null;
        try
        {
            while (_next < files.Length)
            {
                ref readonly FileLocation file = ref files[_next++];
                Unit unit = Unit.At(file, 0);
                if (block.IsPresent(unit)) continue;
                if (unit.Length == 0)
                {
                    // Nothing to fetch, but the pack is complete only when every unit says present.
                    block.Write([unit], []);
                    continue;
                }
                Fetch fetch = new(queue, file, block, unit, 1, demanded: false);
                if (table.TryAdd(fetch)) return fetch;
                if (table.TryJoin(fetch.Key(0)) is { } other) writer.Adopt(other, block);
            }
            return null;
        }
        finally
        {
            block.Leave();
        }
    }
}
