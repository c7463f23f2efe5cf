namespace DataLayer.Formats.Tabular;

internal enum ShapeKind
{
    Leaf,
    Struct,
    List,
    Map,
}

/// <summary>
/// How a field appears in a row: the schema with the wrapper groups of lists and maps, in their standard and legacy
/// forms, folded away (parquet-format, LogicalTypes.md, "Backward-compatibility rules").
/// </summary>
internal sealed class RowShape
{
    public required ShapeKind Kind { get; init; }

    public required string Name
    {
        get;
        init
        {
            field = value;
            NameUtf8 = System.Text.Encoding.UTF8.GetBytes(value);
        }
    }

    public byte[] NameUtf8 { get; private init; } = [];

    /// <summary>From this definition level on the value is not null.</summary>
    public required int PresentLevel { get; init; }

    /// <summary>Of a list or map: from this definition level on there is an element.</summary>
    public int ElementLevel { get; init; }

    /// <summary>Of a list or map: a further element carries this repetition level.</summary>
    public int RepeatLevel { get; init; }

    /// <summary>Fields of a struct; the element of a list; key and, if there is one, value of a map.</summary>
    public IReadOnlyList<RowShape> Children { get; init; } = [];

    /// <summary>The column of a leaf.</summary>
    public SchemaNode? Leaf { get; init; }

    /// <summary>Indexes of the columns below, into the columns that are read; set when a projection is chosen.</summary>
    public int[] Columns { get; private set; } = [];

    public static RowShape Of(SchemaNode node)
    {
        if (node.Repetition != Repetition.Repeated) return Value(node);
        // Repeated without a LIST or MAP group around it: a required list of required elements.
        return new RowShape
        {
            Kind = ShapeKind.List,
            Name = node.Name,
            PresentLevel = node.DefinitionLevel - 1,
            ElementLevel = node.DefinitionLevel,
            RepeatLevel = node.RepetitionLevel,
            Children = [Value(node)],
        };
    }

    /// <summary>Numbers the columns of this field in the order in which they are read, and adds them to <paramref name="columns"/>.</summary>
    public void Bind(List<SchemaNode> columns)
    {
        int first = columns.Count;
        if (Leaf is not null) columns.Add(Leaf);
        foreach (RowShape child in Children) child.Bind(columns);
        Columns = [.. Enumerable.Range(first, columns.Count - first)];
    }

    static RowShape Value(SchemaNode node)
    {
        if (node.IsLeaf)
        {
            return new RowShape { Kind = ShapeKind.Leaf, Name = node.Name, PresentLevel = node.DefinitionLevel, Leaf = node };
        }
        return List(node) ?? Map(node) ?? new RowShape
        {
            Kind = ShapeKind.Struct,
            Name = node.Name,
            PresentLevel = node.DefinitionLevel,
            Children = [.. node.Children.Select(Of)],
        };
    }

    static RowShape? List(SchemaNode node)
    {
        if (node.Logical.Kind != LogicalKind.List || node.Children is not [{ Repetition: Repetition.Repeated } repeated]) return null;
        bool elementIsRepeated = repeated.IsLeaf
            || repeated.Children.Count > 1
            || repeated.Logical.Kind is LogicalKind.List or LogicalKind.Map
            || repeated.Children[0].Repetition == Repetition.Repeated
            || repeated.Name == "array"
            || repeated.Name == node.Name + "_tuple";
        return Repeating(ShapeKind.List, node, repeated, [elementIsRepeated ? Value(repeated) : Of(repeated.Children[0])]);
    }

    static RowShape? Map(SchemaNode node)
    {
        if (node.Logical.Kind != LogicalKind.Map || node.Children is not [{ Repetition: Repetition.Repeated, IsLeaf: false } pairs]) return null;
        if (pairs.Children.Count is not (1 or 2)) return null;
        return Repeating(ShapeKind.Map, node, pairs, [.. pairs.Children.Select(Of)]);
    }

    static RowShape Repeating(ShapeKind kind, SchemaNode node, SchemaNode repeated, IReadOnlyList<RowShape> children) => new()
    {
        Kind = kind,
        Name = node.Name,
        PresentLevel = node.DefinitionLevel,
        ElementLevel = repeated.DefinitionLevel,
        RepeatLevel = repeated.RepetitionLevel,
        Children = children,
    };
}
