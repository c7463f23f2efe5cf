using DataLayer.Formats.Tabular.Parquet.Thrift;

namespace DataLayer.Formats.Tabular.Parquet;

/// <summary>Turns the footer's flat list of schema elements into a tree with levels.</summary>
internal sealed class SchemaReader(FaultSite site)
{
    /// <summary>Definition levels are kept as bytes; and rows are written by recursion, one frame per level.</summary>
    const int MaxDepth = 100;

    readonly List<Element> elements = [];
    readonly List<SchemaNode> leaves = [];
    int next;

    public IReadOnlyList<SchemaNode> Leaves => leaves;

    public void ReadElements(ref CompactReader reader, CompactType type)
    {
        int count = reader.ReadList(type, out CompactType elementType);
        if (elements.Count > 0) reader.Fail("the schema stands in the footer twice");
        if (count > 0) reader.ExpectStruct(elementType);
        for (int i = 0; i < count && !reader.Failed; i++) elements.Add(Element.Read(ref reader));
    }

    public SchemaNode BuildTree()
    {
        if (elements.Count == 0) throw site.Corrupt("the footer has no schema");
        SchemaNode root = Build(null, 0);
        if (next != elements.Count) throw site.Corrupt($"the schema has {elements.Count} elements, but its tree holds {next}");
        return root;
    }

    SchemaNode Build(SchemaNode? parent, int depth)
    {
        if (depth > MaxDepth) throw site.Unsupported($"the schema is nested deeper than {MaxDepth} levels");
        if (next == elements.Count) throw site.Corrupt("the schema's tree has more children than elements");
        Element element = elements[next++];
        // The root's repetition means nothing; writers put anything there.
        Repetition repetition = parent is null ? Repetition.Required : element.Repetition ?? Repetition.Required;
        bool isLeaf = element.Type is not null && parent is not null;
        if (!isLeaf && element.ChildCount == 0 && parent is not null) throw site.Corrupt($"schema group {element.Name} has no fields");
        if (element.ChildCount < 0) throw site.Corrupt($"schema element {element.Name} has {element.ChildCount} children");
        if (isLeaf && element.ChildCount > 0) throw site.Corrupt($"schema element {element.Name} has a type and children");
        if (isLeaf && element.Type == PhysicalType.FixedLenByteArray && element.TypeLength <= 0)
        {
            throw site.Corrupt($"column {element.Name} has values of {element.TypeLength} bytes");
        }
        var node = new SchemaNode(element.Name, repetition)
        {
            Parent = parent,
            Physical = isLeaf ? element.Type : null,
            TypeLength = element.Type == PhysicalType.FixedLenByteArray ? element.TypeLength : 0,
            Logical = Annotation(element, isLeaf),
            LeafIndex = isLeaf ? leaves.Count : -1,
            DefinitionLevel = (parent?.DefinitionLevel ?? 0) + (repetition == Repetition.Required ? 0 : 1),
            RepetitionLevel = (parent?.RepetitionLevel ?? 0) + (repetition == Repetition.Repeated ? 1 : 0),
        };
        if (isLeaf)
        {
            leaves.Add(node);
        }
        else
        {
            // Not reserved in advance: the count is the file's word.
            List<SchemaNode> children = [];
            for (int i = 0; i < element.ChildCount; i++) children.Add(Build(node, depth + 1));
            node.Children = children;
        }
        return node;
    }

    /// <summary>The annotation where it fits the physical type; a column with one that does not is read as it is stored.</summary>
    LogicalType Annotation(Element element, bool isLeaf)
    {
        LogicalType logical = element.Logical ?? element.Converted;
        if (!isLeaf) return logical.Kind is LogicalKind.List or LogicalKind.Map or LogicalKind.Variant ? logical : default;
        PhysicalType type = element.Type!.Value;
        bool bytes = type is PhysicalType.ByteArray;
        bool fits = logical.Kind switch
        {
            LogicalKind.String or LogicalKind.Enum or LogicalKind.Json => type is PhysicalType.ByteArray or PhysicalType.FixedLenByteArray,
            LogicalKind.Bson or LogicalKind.Geometry or LogicalKind.Geography => bytes,
            LogicalKind.Uuid => element is { Type: PhysicalType.FixedLenByteArray, TypeLength: 16 },
            LogicalKind.Float16 => element is { Type: PhysicalType.FixedLenByteArray, TypeLength: 2 },
            LogicalKind.Interval => element is { Type: PhysicalType.FixedLenByteArray, TypeLength: 12 },
            LogicalKind.Date => type == PhysicalType.Int32,
            LogicalKind.Time => type == (logical.Unit == TimeUnit.Milliseconds ? PhysicalType.Int32 : PhysicalType.Int64),
            LogicalKind.Timestamp => type == PhysicalType.Int64,
            LogicalKind.Integer => type == (logical.BitWidth == 64 ? PhysicalType.Int64 : PhysicalType.Int32),
            LogicalKind.Decimal => type is PhysicalType.Int32 or PhysicalType.Int64 or PhysicalType.ByteArray or PhysicalType.FixedLenByteArray,
            LogicalKind.Null => true,
            _ => false,
        };
        if (logical.Kind != LogicalKind.Decimal || !fits) return fits ? logical : default;
        if (logical.Scale < 0 || logical.Precision <= 0 || logical.Scale > logical.Precision)
        {
            throw site.Corrupt($"column {element.Name} is a decimal of {logical.Precision} digits with {logical.Scale} after the point");
        }
        return logical;
    }

    sealed class Element
    {
        public PhysicalType? Type { get; private set; }

        public int TypeLength { get; private set; }

        public Repetition? Repetition { get; private set; }

        public string Name { get; private set; } = "";

        public int ChildCount { get; private set; }

        /// <summary>From the older annotation, which <see cref="Logical"/> supersedes.</summary>
        public LogicalType Converted { get; private set; }

        public LogicalType? Logical { get; private set; }

        public static Element Read(ref CompactReader reader)
        {
            var element = new Element();
            int converted = -1, scale = 0, precision = 0, id = 0;
            bool named = false;
            while (reader.NextField(ref id, out CompactType type))
            {
                switch (id)
                {
                    case 1:
                        int physical = reader.ReadInt32(type);
                        if (physical is < 0 or > 7) reader.Fail($"physical type {physical} does not exist");
                        element.Type = (PhysicalType)physical;
                        break;
                    case 2: element.TypeLength = reader.ReadInt32(type); break;
                    case 3:
                        int repetition = reader.ReadInt32(type);
                        if (repetition is < 0 or > 2) reader.Fail($"repetition type {repetition} does not exist");
                        element.Repetition = (Repetition)repetition;
                        break;
                    case 4:
                        element.Name = reader.ReadString(type);
                        named = true;
                        break;
                    case 5: element.ChildCount = reader.ReadInt32(type); break;
                    case 6: converted = reader.ReadInt32(type); break;
                    case 7: scale = reader.ReadInt32(type); break;
                    case 8: precision = reader.ReadInt32(type); break;
                    case 10: element.Logical = LogicalTypeReader.Read(ref reader, type); break;
                    default: reader.Skip(type); break;
                }
            }
            if (!named) reader.Fail("a schema element has no name");
            element.Converted = LogicalTypeReader.FromConverted(converted, precision, scale);
            return element;
        }
    }
}
