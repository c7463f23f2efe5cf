namespace DataLayer.Formats.Tabular;

/// <summary>The numbers are parquet.thrift's <c>FieldRepetitionType</c>.</summary>
public enum Repetition
{
    Required = 0,
    Optional = 1,
    Repeated = 2,
}

/// <summary>A node of a Parquet schema as the file has it: a group, or a leaf that is one column chunk per row group.</summary>
public sealed class SchemaNode
{
    internal SchemaNode(string name, Repetition repetition)
    {
        Name = name;
        Repetition = repetition;
    }

    public string Name { get; }

    public Repetition Repetition { get; }

    /// <summary>Null for the root.</summary>
    public SchemaNode? Parent { get; internal init; }

    /// <summary>Empty for a leaf.</summary>
    public IReadOnlyList<SchemaNode> Children { get; internal set; } = [];

    /// <summary>Null for a group.</summary>
    public PhysicalType? Physical { get; internal init; }

    /// <summary>Bytes per value of a <see cref="PhysicalType.FixedLenByteArray"/>, else 0.</summary>
    public int TypeLength { get; internal init; }

    public LogicalType Logical { get; internal init; }

    /// <summary>Position among the leaves of the file; -1 for a group.</summary>
    public int LeafIndex { get; internal init; } = -1;

    /// <summary>Optional and repeated nodes on the path from the root to this node: the level at which it is present.</summary>
    public int DefinitionLevel { get; internal init; }

    /// <summary>Repeated nodes on the path from the root to this node.</summary>
    public int RepetitionLevel { get; internal init; }

    public bool IsLeaf => Physical is not null;

    /// <summary>Names from below the root, joined by dots.</summary>
    public string Path => Parent is null || Parent.Parent is null ? Name : $"{Parent.Path}.{Name}";

    public override string ToString() => $"{Path}: {(IsLeaf ? $"{Physical} {Logical}" : $"group {Logical}")} {Repetition}";
}
