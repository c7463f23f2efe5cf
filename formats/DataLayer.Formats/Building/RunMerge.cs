namespace DataLayer.Formats;

/// <summary>Merges sorted runs through a binary heap of their next records.</summary>
internal sealed class RunMerge : IRecordStream
{
    sealed class Run(Spool spool)
    {
        readonly Spool.Cursor _cursor = spool.Open();
        // A copy: the cursor's own span lasts only until it moves.
        byte[] _record = new byte[1 << 8];
        int _length;

        internal ReadOnlySpan<byte> Record => _record.AsSpan(0, _length);

        internal bool MoveNext()
        {
            if (_cursor.AtEnd) return false;
            int length = _cursor.PeekInt32();
            if (_record.Length < length) _record = new byte[Math.Max(length, 2 * _record.Length)];
            _cursor.Take(length).CopyTo(_record);
            _length = length;
            return true;
        }
    }

    readonly Run[] _heap;
    int _count;
    bool _started;

    internal RunMerge(IReadOnlyList<Spool> runs)
    {
        _heap = new Run[runs.Count];
        foreach (Spool spool in runs)
        {
            Run run = new(spool);
            if (run.MoveNext()) _heap[_count++] = run;
        }
        for (int i = (_count / 2) - 1; i >= 0; i--) SiftDown(i);
    }

    public ReadOnlySpan<byte> Current => _heap[0].Record;

    public bool MoveNext()
    {
        if (_started && _count > 0)
        {
            if (!_heap[0].MoveNext()) _heap[0] = _heap[--_count];
            SiftDown(0);
        }
        _started = true;
        return _count > 0;
    }

    void SiftDown(int parent)
    {
        Run moving = _heap[parent];
        while (true)
        {
            int child = (2 * parent) + 1;
            if (child >= _count) break;
            if (child + 1 < _count && RecordSorter.Compare(_heap[child + 1].Record, _heap[child].Record) < 0) child++;
            if (RecordSorter.Compare(_heap[child].Record, moving.Record) >= 0) break;
            _heap[parent] = _heap[child];
            parent = child;
        }
        _heap[parent] = moving;
    }
}
