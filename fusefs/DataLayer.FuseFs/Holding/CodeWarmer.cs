using System.Reflection;
using System.Runtime.CompilerServices;
using DataLayer.Cache;
using DataLayer.Formats;
using DataLayer.Fuse;

namespace DataLayer.FuseFs.Holding;

/// <summary>Compiles what serving needs before it is needed: a standby has the time, the first request after a kill has not.</summary>
static class CodeWarmer
{
    /// <param name="isOver">Asked between two methods: the time for it may end before it is done.</param>
    public static void Run(Func<bool> isOver)
    {
        foreach (Assembly assembly in new[] { typeof(FuseConnection).Assembly, typeof(DatasetReader).Assembly, typeof(Manifest).Assembly, typeof(CodeWarmer).Assembly })
        {
            foreach (Type type in assembly.GetTypes().Where(static type => !type.ContainsGenericParameters && type.Namespace?.EndsWith("CommandLine", StringComparison.Ordinal) != true))
            {
                if (isOver()) return;
                foreach (MethodInfo method in type.GetMethods(BindingFlags.DeclaredOnly | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static))
                    if (!method.ContainsGenericParameters && method.GetMethodBody() is not null) RuntimeHelpers.PrepareMethod(method.MethodHandle);
            }
        }
    }
}
