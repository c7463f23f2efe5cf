using System.Diagnostics;
using System.Text;
using System.Text.Json;

namespace DataLayer.EndToEndBenchmarks.Reading;

/// <summary>
/// The child process that reads: jobs come as lines of JSON, each is prepared and acknowledged with "ready", starts when
/// the gate opens, and is answered with a line of JSON. The end of the input is the end of the process.
/// </summary>
internal static class ReaderProcess
{
    private static readonly TimeSpan FirstFileLimit = TimeSpan.FromSeconds(60);

    internal static void Run(TextReader input, TextWriter output)
    {
        while (input.ReadLine() is { } line)
        {
            ReaderJob job = JsonSerializer.Deserialize<ReaderJob>(line) ?? throw new InvalidDataException("an empty job");
            ReaderAnswer answer = Run(job, output);
            output.WriteLine(JsonSerializer.Serialize(answer));
            output.Flush();
        }
    }

    private static ReaderAnswer Run(ReaderJob job, TextWriter output)
    {
        switch (job.Mode)
        {
            case ReaderMode.Command:
                var command = new SpawnedProgram(job.Arguments);
                string error = "";
                return Time(job, output, () => error = command.Run()) with { Errors = error.Length > 0 ? 1 : 0, FirstError = error };
            case ReaderMode.Files or ReaderMode.VerifiedFiles or ReaderMode.FirstFile:
                var share = new WholeFiles(job);
                ReaderAnswer times = Time(job, output, () =>
                {
                    if (job.Mode == ReaderMode.FirstFile) share.ReadFirst(FirstFileLimit);
                    else share.ReadAll(job.Mode == ReaderMode.VerifiedFiles);
                });
                return times with
                {
                    Files = job.Mode == ReaderMode.FirstFile ? 1 : share.Count,
                    Bytes = share.Bytes,
                    Errors = share.Errors,
                    FirstError = share.FirstError,
                };
            default:
                LargeFile large = new LargeFile(job).Prepare();
                return Time(job, output, large.Run) with
                {
                    Files = 1,
                    Bytes = large.Bytes,
                    Errors = large.Error.Length > 0 ? 1 : 0,
                    FirstError = large.Error,
                };
        }
    }

    private static unsafe ReaderAnswer Time(ReaderJob job, TextWriter output, Action work)
    {
        GC.Collect();
        int gate;
        fixed (byte* path = Encoding.UTF8.GetBytes(job.Gate + "\0")) gate = Libc.open(path, Libc.O_RDONLY | Libc.O_CLOEXEC, 0);
        if (gate < 0) throw Libc.Failure($"cannot open {job.Gate}");
        output.WriteLine("ready");
        output.Flush();
        if (Libc.flock(gate, Libc.LOCK_SH) < 0) throw Libc.Failure($"cannot lock {job.Gate}");
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        work();
        long ended = Stopwatch.GetTimestamp();
        cpu = Environment.CpuUsage.TotalTime - cpu;
        Libc.close(gate);
        return new ReaderAnswer { EndedAt = ended, CpuSeconds = cpu.TotalSeconds };
    }
}
