namespace DataLayer.TestKit.S3;

/// <summary>A server that tests can point a source at.</summary>
public interface IS3Server : IAsyncDisposable
{
    /// <summary>"http://host:port".</summary>
    string Endpoint { get; }

    string AccessKey { get; }
    string SecretKey { get; }
}
