using System.Xml;

namespace DataLayer.Sources.S3;

/// <summary>The body of an error answer, as far as there is one.</summary>
/// <param name="Code">Such as NoSuchKey; empty when the body is none of S3's.</param>
/// <param name="Region">The right region, where the server told it.</param>
internal sealed record S3Error(string Code, string Message, string? Region)
{
    public static readonly S3Error None = new("", "", null);

    public static S3Error Parse(byte[] body)
    {
        try
        {
            using XmlReader xml = S3Xml.Read(body);
            string code = "", message = "";
            string? region = null;
            xml.MoveToContent();
            if (xml.LocalName != "Error" || xml.IsEmptyElement) return None;
            xml.Read();
            while (xml.NodeType is not XmlNodeType.EndElement and not XmlNodeType.None)
            {
                switch (xml.NodeType == XmlNodeType.Element ? xml.LocalName : "")
                {
                    case "Code": code = Printable(xml.ReadElementContentAsString()); break;
                    case "Message": message = Printable(xml.ReadElementContentAsString()); break;
                    case "Region": region = Printable(xml.ReadElementContentAsString()); break;
                    default: xml.Skip(); break;
                }
            }
            return new S3Error(code, message, region);
        }
        catch (XmlException)
        {
            // A proxy's or gateway's page: the status says all there is.
            return None;
        }
    }

    /// <summary>A server's words go into one line of a log: no control characters, no essays.</summary>
    static string Printable(string text)
    {
        string line = string.Concat(text.Where(c => !char.IsControl(c)));
        return line.Length <= 200 ? line : line[..200];
    }
}

internal static class S3Xml
{
    static readonly XmlReaderSettings Settings = new()
    {
        DtdProcessing = DtdProcessing.Prohibit,
        XmlResolver = null,
        IgnoreComments = true,
        IgnoreProcessingInstructions = true,
        // Keys may hold what XML 1.0 forbids when a server ignores encoding-type=url.
        CheckCharacters = false,
    };

    public static XmlReader Read(byte[] body) => XmlReader.Create(new MemoryStream(body), Settings);

    public static XmlReader Read(byte[] body, int length) => XmlReader.Create(new MemoryStream(body, 0, length), Settings);
}
