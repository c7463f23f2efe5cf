using BenchmarkDotNet.Running;

// Every benchmark class of this assembly; which ones run is chosen on the command line (--filter '*Checksum*').
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
