using System.Globalization;
using System.Text;

namespace DataLayer.Formats.Tabular.Tests;

/// <summary>
/// JSON for comparing rows: numbers keep their text, and NaN and Infinity are words, which DuckDB writes bare.
/// </summary>
internal abstract record JsonTree
{
    public sealed record Word(string Text) : JsonTree;

    public sealed record Number(string Text) : JsonTree;

    public sealed record Characters(string Value) : JsonTree;

    public sealed record Array(IReadOnlyList<JsonTree> Items) : JsonTree;

    public sealed record Object(IReadOnlyList<(string Key, JsonTree Value)> Fields) : JsonTree;

    public static JsonTree Parse(string text)
    {
        int at = 0;
        JsonTree tree = Parse(text, ref at);
        if (at != text.Length) throw new FormatException($"text after the value: {text[at..]}");
        return tree;
    }

    /// <summary>Null when equal, else where and how they differ. <paramref name="ours"/> is what the formatter wrote.</summary>
    public static string? Difference(JsonTree ours, JsonTree duck, bool hasFloat, string path = "$")
    {
        switch (ours, duck)
        {
            case (Object a, Object b):
                if (!a.Fields.Select(f => f.Key).SequenceEqual(b.Fields.Select(f => f.Key))) return $"{path}: other keys";
                return a.Fields.Zip(b.Fields, (x, y) => Difference(x.Value, y.Value, hasFloat, $"{path}.{x.Key}")).FirstOrDefault(d => d is not null);
            case (Array a, Array b):
                if (a.Items.Count != b.Items.Count) return $"{path}: {a.Items.Count} elements, not {b.Items.Count}";
                return a.Items.Zip(b.Items, (x, y) => Difference(x, y, hasFloat, $"{path}[]")).FirstOrDefault(d => d is not null);
            case (Characters a, Word b) when hasFloat && b.Text is "NaN" or "Infinity" or "-Infinity":
                return a.Value == b.Text ? null : $"{path}: {a.Value}, not {b.Text}";
            case (Number a, Number b) when !hasFloat:
                // DuckDB leaves out the last zeros of some decimals, or writes an exponent.
                return Exact(a.Text) == Exact(b.Text) ? null : $"{path}: {a.Text}, not {b.Text}";
            case (Number a, Number b) when a.Text != b.Text:
                double x1 = double.Parse(a.Text, CultureInfo.InvariantCulture), x2 = double.Parse(b.Text, CultureInfo.InvariantCulture);
                // A FLOAT is written with the digits that a single needs, by DuckDB with those of the double it converts to.
                return x1.Equals(x2) || ((float)x1).Equals((float)x2) ? null : $"{path}: {a.Text}, not {b.Text}";
            default: return ours == duck ? null : $"{path}: {ours}, not {duck}";
        }
    }

    /// <summary>The number without a point: its digits up to the last that is not 0, and the power of ten.</summary>
    public static (string Digits, int Power) Exact(string number)
    {
        int e = number.IndexOfAny(['e', 'E']);
        int power = e < 0 ? 0 : int.Parse(number[(e + 1)..], CultureInfo.InvariantCulture);
        string mantissa = e < 0 ? number : number[..e];
        int point = mantissa.IndexOf('.');
        if (point >= 0)
        {
            power -= mantissa.Length - point - 1;
            mantissa = mantissa.Remove(point, 1);
        }
        bool negative = mantissa.StartsWith('-');
        string digits = mantissa.TrimStart('-').TrimStart('0');
        string significant = digits.TrimEnd('0');
        return significant.Length == 0 ? ("0", 0) : ((negative ? "-" : "") + significant, power + digits.Length - significant.Length);
    }

    static JsonTree Parse(string text, ref int at)
    {
        switch (text[at])
        {
            case '"': return new Characters(ParseString(text, ref at));
            case '[':
                at++;
                List<JsonTree> items = [];
                while (text[at] != ']')
                {
                    if (items.Count > 0) Expect(text, ref at, ',');
                    items.Add(Parse(text, ref at));
                }
                at++;
                return new Array(items);
            case '{':
                at++;
                List<(string, JsonTree)> fields = [];
                while (text[at] != '}')
                {
                    if (fields.Count > 0) Expect(text, ref at, ',');
                    string key = ParseString(text, ref at);
                    Expect(text, ref at, ':');
                    fields.Add((key, Parse(text, ref at)));
                }
                at++;
                return new Object(fields);
            default:
                int start = at;
                while (at < text.Length && text[at] is not (',' or ']' or '}')) at++;
                string token = text[start..at];
                return token is "true" or "false" or "null" or "NaN" or "Infinity" or "-Infinity" ? new Word(token) : new Number(token);
        }
    }

    static void Expect(string text, ref int at, char c)
    {
        if (text[at] != c) throw new FormatException($"expected {c} at {at} of {text}");
        at++;
    }

    static string ParseString(string text, ref int at)
    {
        Expect(text, ref at, '"');
        var value = new StringBuilder();
        while (text[at] != '"')
        {
            char c = text[at++];
            if (c < ' ') throw new FormatException($"an unescaped control character at {at} of {text}");
            if (c != '\\')
            {
                value.Append(c);
                continue;
            }
            c = text[at++];
            value.Append(c switch
            {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'b' => '\b',
                'f' => '\f',
                '"' or '\\' or '/' => c,
                'u' => (char)ushort.Parse(text.AsSpan(at, 4), NumberStyles.HexNumber, CultureInfo.InvariantCulture),
                _ => throw new FormatException($"unknown escape \\{c}"),
            });
            if (c == 'u') at += 4;
        }
        at++;
        return value.ToString();
    }
}
