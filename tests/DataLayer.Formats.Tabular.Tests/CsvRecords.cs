using System.Text;

namespace DataLayer.Formats.Tabular.Tests;

/// <summary>RFC 4180 as the tests understand it: an unquoted empty field is null, a quoted one is empty.</summary>
internal static class CsvRecords
{
    public static List<List<string?>> Parse(string text)
    {
        List<List<string?>> records = [];
        List<string?> record = [];
        int at = 0;
        while (at < text.Length)
        {
            string? field;
            if (text[at] == '"')
            {
                var value = new StringBuilder();
                at++;
                while (text[at] != '"' || (at + 1 < text.Length && text[at + 1] == '"'))
                {
                    if (text[at] == '"') at++;
                    value.Append(text[at++]);
                }
                at++;
                field = value.ToString();
            }
            else
            {
                int end = text.IndexOfAny([',', '\n'], at);
                field = end == at ? null : text[at..end];
                at = end;
            }
            record.Add(field);
            if (text[at++] == '\n')
            {
                records.Add(record);
                record = [];
            }
        }
        return records;
    }
}
