namespace DataLayer.Formats.Tabular;

/// <summary>The top-level fields that are read, in the order in which rows show them.</summary>
public sealed class RowSchema
{
    internal RowSchema(IEnumerable<SchemaNode> fields)
    {
        List<SchemaNode> columns = [];
        List<RowShape> shapes = [];
        foreach (SchemaNode field in fields)
        {
            RowShape shape = RowShape.Of(field);
            shape.Bind(columns);
            shapes.Add(shape);
        }
        Fields = shapes;
        Columns = columns;
    }

    public IEnumerable<string> Names => Fields.Select(shape => shape.Name);

    internal IReadOnlyList<RowShape> Fields { get; }

    /// <summary>The leaves below the fields: one vector each.</summary>
    internal IReadOnlyList<SchemaNode> Columns { get; }
}
