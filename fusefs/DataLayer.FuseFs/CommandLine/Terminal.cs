using Spectre.Console;

namespace DataLayer.FuseFs.CommandLine;

/// <summary>Progress on standard error while work goes on: a live line on a terminal, nothing in a pipe.</summary>
static class Terminal
{
    static readonly IAnsiConsole Errors = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });

    /// <summary>Work whose end is not known, such as a listing: shows a count that grows.</summary>
    public static async Task<T> CountAsync<T>(string what, Func<IProgress<long>, Task<T>> work)
    {
        if (Console.IsErrorRedirected) return await work(new Progress<long>());
        return await Errors.Status().StartAsync(what, async context =>
        {
            live = context;
            try
            {
                return await work(new Progress<long>(count => context.Status($"{what}: {count:N0}")));
            }
            finally
            {
                live = null;
            }
        });
    }

    static StatusContext? live;

    /// <summary>Replaces the text of the live line; false when there is none.</summary>
    public static bool TryShow(string text)
    {
        if (live is not { } context) return false;
        context.Status(Markup.Escape(text));
        return true;
    }

    /// <summary>Work with a known size in bytes: shows a bar with speed and time left.</summary>
    public static async Task BarAsync(string what, Func<Action<long, long>, Task> work)
    {
        if (Console.IsErrorRedirected)
        {
            await work((_, _) => { });
            return;
        }

        await Errors.Progress()
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new DownloadedColumn(), new TransferSpeedColumn(), new RemainingTimeColumn())
            .StartAsync(async context =>
            {
                ProgressTask task = context.AddTask(what);
                await work((done, total) =>
                {
                    task.MaxValue = Math.Max(1, total);
                    task.Value = done;
                });
            });
    }
}
