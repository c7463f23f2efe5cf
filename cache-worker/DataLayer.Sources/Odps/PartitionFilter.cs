using DataLayer.Formats;

namespace DataLayer.Sources;

/// <summary>
/// A condition on partition columns, as in SQL: <c>ds &gt;= '20240101' and region in ('eu', 'us')</c>. Comparisons
/// (<c>= != &lt;&gt; &lt; &lt;= &gt; &gt;=</c>), <c>in</c>, <c>between</c>, <c>is [not] null</c>, <c>and</c>, <c>or</c>,
/// <c>not</c> and parentheses. A quoted literal compares as text, in the order of its UTF-16 codes; a bare number as a number, which a
/// value that is none does not meet. Null meets nothing but <c>is null</c>.
/// </summary>
public sealed class PartitionFilter
{
    readonly Func<Func<string, string?>, bool?> condition;

    PartitionFilter(Func<Func<string, string?>, bool?> condition, IReadOnlySet<string> columns)
    {
        this.condition = condition;
        Columns = columns;
    }

    /// <summary>The columns it names.</summary>
    public IReadOnlySet<string> Columns { get; }

    /// <exception cref="SourceException">Misconfigured: where it is not understood.</exception>
    public static PartitionFilter Parse(string text)
    {
        Parser parser = new(text);
        return new PartitionFilter(parser.ParseAll(), parser.Columns);
    }

    /// <summary>The <c>k=v</c> directories above a file, outermost first, their values decoded as Hive and MaxCompute encode them.</summary>
    public static List<KeyValuePair<string, string?>> PartitionOf(string path)
    {
        List<KeyValuePair<string, string?>> partition = [];
        foreach (string component in path.Split('/')[..^1])
        {
            int separator = component.IndexOf('=');
            if (separator <= 0) continue;
            string name = Uri.UnescapeDataString(component[..separator]);
            string value = Uri.UnescapeDataString(component[(separator + 1)..]);
            if (partition.Any(pair => pair.Key == name)) continue;
            partition.Add(new(name, value == "__HIVE_DEFAULT_PARTITION__" ? null : value));
        }
        return partition;
    }

    public bool Includes(IReadOnlyList<KeyValuePair<string, string?>> partition) =>
        condition(name => partition.FirstOrDefault(pair => pair.Key == name).Value) == true;

    sealed class Parser(string text)
    {
        // A hostile condition must not overflow the stack.
        const int DeepestNesting = 100;

        int at;
        int depth;

        public HashSet<string> Columns { get; } = new(StringComparer.Ordinal);

        public Func<Func<string, string?>, bool?> ParseAll()
        {
            Func<Func<string, string?>, bool?> all = Or();
            Skip();
            if (at < text.Length) throw Bad("expected 'and', 'or' or the end");
            return all;
        }

        Func<Func<string, string?>, bool?> Or()
        {
            Func<Func<string, string?>, bool?> left = And();
            while (Word("or"))
            {
                (Func<Func<string, string?>, bool?> a, Func<Func<string, string?>, bool?> b) = (left, And());
                left = row => (a(row), b(row)) switch { (true, _) or (_, true) => true, (false, false) => false, _ => null };
            }
            return left;
        }

        Func<Func<string, string?>, bool?> And()
        {
            Func<Func<string, string?>, bool?> left = Not();
            while (Word("and"))
            {
                (Func<Func<string, string?>, bool?> a, Func<Func<string, string?>, bool?> b) = (left, Not());
                left = row => (a(row), b(row)) switch { (false, _) or (_, false) => false, (true, true) => true, _ => null };
            }
            return left;
        }

        Func<Func<string, string?>, bool?> Not()
        {
            if (++depth > DeepestNesting) throw Bad("it is nested too deeply");
            Func<Func<string, string?>, bool?> inner;
            if (Word("not"))
            {
                Func<Func<string, string?>, bool?> negated = Not();
                inner = row => !negated(row);
            }
            else if (Symbol("("))
            {
                inner = Or();
                if (!Symbol(")")) throw Bad("expected ')'");
            }
            else
            {
                inner = Comparison();
            }
            depth--;
            return inner;
        }

        Func<Func<string, string?>, bool?> Comparison()
        {
            string column = Column();
            if (Word("is"))
            {
                bool not = Word("not");
                if (!Word("null")) throw Bad("expected 'null'");
                return row => row(column) is null != not;
            }
            bool negated = Word("not");
            if (Word("in")) return In(column, negated);
            if (Word("between"))
            {
                Literal low = ReadLiteral();
                if (!Word("and")) throw Bad("expected 'and'");
                Literal high = ReadLiteral();
                return row => Negate((low.Compare(row(column)), high.Compare(row(column))) is ({ } l, { } h) ? l >= 0 && h <= 0 : null, negated);
            }
            if (negated) throw Bad("expected 'in' or 'between'");
            Func<int, bool> holds =
                Symbol(">=") ? c => c >= 0 : Symbol("<=") ? c => c <= 0 : Symbol("!=") || Symbol("<>") ? c => c != 0
                : Symbol("==") || Symbol("=") ? c => c == 0 : Symbol(">") ? c => c > 0 : Symbol("<") ? c => c < 0
                : throw Bad("expected a comparison");
            Literal literal = ReadLiteral();
            return row => literal.Compare(row(column)) is { } c ? holds(c) : null;
        }

        Func<Func<string, string?>, bool?> In(string column, bool negated)
        {
            if (!Symbol("(")) throw Bad("expected '('");
            List<Literal> literals = [];
            do literals.Add(ReadLiteral());
            while (Symbol(","));
            if (!Symbol(")")) throw Bad("expected ')'");
            return row => Negate(row(column) is { } value ? literals.Any(literal => literal.Compare(value) == 0) : null, negated);
        }

        static bool? Negate(bool? value, bool negated) => negated ? !value : value;

        string Column()
        {
            Skip();
            int start = at;
            if (at < text.Length && text[at] is '`' or '"')
            {
                char quote = text[at++];
                int end = text.IndexOf(quote, at);
                if (end < 0) throw Bad("a quote is not closed");
                at = end + 1;
                Columns.Add(text[(start + 1)..end]);
                return text[(start + 1)..end];
            }
            while (at < text.Length && (char.IsLetterOrDigit(text[at]) || text[at] == '_')) at++;
            if (at == start) throw Bad("expected a partition column");
            Columns.Add(text[start..at]);
            return text[start..at];
        }

        Literal ReadLiteral()
        {
            Skip();
            int start = at;
            if (at < text.Length && text[at] == '\'')
            {
                System.Text.StringBuilder value = new();
                while (true)
                {
                    int end = text.IndexOf('\'', at + 1);
                    if (end < 0) throw Bad("a quote is not closed");
                    value.Append(text, at + 1, end - at - 1);
                    at = end + 1;
                    if (at >= text.Length || text[at] != '\'') return new Literal(value.ToString(), null);
                    value.Append('\'');
                }
            }
            while (at < text.Length && (char.IsAsciiDigit(text[at]) || text[at] is '-' or '+' or '.')) at++;
            if (!decimal.TryParse(text.AsSpan(start, at - start), System.Globalization.NumberStyles.Number, null, out decimal number))
            {
                at = start;
                throw Bad("expected a number or a text in single quotes");
            }
            return new Literal("", number);
        }

        bool Word(string word)
        {
            Skip();
            if (!text.AsSpan(at).StartsWith(word, StringComparison.OrdinalIgnoreCase)) return false;
            int end = at + word.Length;
            if (end < text.Length && (char.IsLetterOrDigit(text[end]) || text[end] == '_')) return false;
            at = end;
            return true;
        }

        bool Symbol(string symbol)
        {
            Skip();
            if (!text.AsSpan(at).StartsWith(symbol, StringComparison.Ordinal)) return false;
            at += symbol.Length;
            return true;
        }

        void Skip()
        {
            while (at < text.Length && char.IsWhiteSpace(text[at])) at++;
        }

        SourceException Bad(string problem) =>
            new(SourceFault.Misconfigured, $"--where \"{text}\": {problem} at character {at + 1}; write it like ds>='20240101' and region in ('eu','us').");
    }

    readonly record struct Literal(string Text, decimal? Number)
    {
        /// <summary>How a value stands to the literal; null when that cannot be said.</summary>
        public int? Compare(string? value)
        {
            if (value is null) return null;
            if (Number is not { } number) return string.CompareOrdinal(value, Text);
            return decimal.TryParse(value, System.Globalization.NumberStyles.Number, null, out decimal parsed) ? parsed.CompareTo(number) : null;
        }
    }
}
