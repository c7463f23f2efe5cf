namespace DataLayer.Cache;

/// <summary>Which steps of a large file have their room. Not safe for concurrent use.</summary>
internal sealed class AdmittedSteps(in BlockSpec spec)
{
    readonly System.Collections.BitArray _steps = new(spec.Steps);

    public BlockSpec Spec { get; } = spec;

    public bool Has(int step) => _steps[step];

    public void Add(int step) => _steps[step] = true;

    /// <summary>Bytes of disk of what was admitted.</summary>
    public long Bytes => Spec.AdmittedBytes + Enumerable.Range(0, Spec.Steps).Where(Has).Sum(Spec.StepBytes);

    /// <summary>Bytes of the file in what was admitted.</summary>
    public long ContentBytes => Enumerable.Range(0, Spec.Steps).Where(Has).Sum(Spec.StepLengthOf);

    /// <summary>What a sidecar says was admitted: every step with a present unit. Null unless it is one of a large file.</summary>
    public static AdmittedSteps? Read(string sidecar)
    {
        int file = Libc.Open(sidecar, Libc.O_RDONLY | Libc.O_CLOEXEC);
        if (file < 0) return null;
        try
        {
            Span<byte> header = stackalloc byte[Sidecar.HeaderSize];
            if (Libc.ReadAt(file, header, 0) != header.Length || !Sidecar.TryReadHeader(header, out BlockSpec spec) || spec.IsPack) return null;
            AdmittedSteps steps = new(spec);
            Span<byte> records = stackalloc byte[BlockSpec.UnitsPerStep * Sidecar.RecordSize];
            for (int step = 0; step < spec.Steps; step++)
            {
                int first = step * BlockSpec.UnitsPerStep, got = Libc.ReadAt(file, records, Sidecar.RecordOffset(first));
                for (int i = 0; (i + 1) * Sidecar.RecordSize <= got && first + i < spec.Units; i++)
                    if (Sidecar.TryReadRecord(records[(i * Sidecar.RecordSize)..], spec, first + i, out _, out _)) steps.Add(step);
            }
            return steps;
        }
        finally
        {
            Libc.Close(file);
        }
    }
}
