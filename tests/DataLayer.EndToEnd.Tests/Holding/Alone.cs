using Xunit;

namespace DataLayer.EndToEnd.Tests.Holding;

/// <summary>
/// Tests that run when no other does: they drop the machine's caches, from which others count what comes, and leave nobody time.
/// </summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
