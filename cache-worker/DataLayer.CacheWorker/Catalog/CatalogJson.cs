using System.Text.Json.Serialization;

namespace DataLayer.CacheWorker.Catalog;

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(WorkerRecord))]
[JsonSerializable(typeof(DatasetRecord))]
internal sealed partial class CatalogJson : JsonSerializerContext;
