using BenchmarkDotNet.Running;
using DataLayer.Microbenchmarks;

// "manifest-at-scale [FILES] [random|counted] [s3|directory]" builds one large manifest and prints sizes, times and memory.
if (args is ["manifest-at-scale", ..]) return await ManifestAtScale.RunAsync(args[1..]);

// Every benchmark class of this assembly; which ones run is chosen on the command line (--filter '*Checksum*').
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
return 0;
