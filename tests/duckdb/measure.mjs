// The table of ParquetBenchmarks, and DuckDB's time for it, with one thread:
//   node measure.mjs make FILE ROWS
//   node measure.mjs read FILE OUTPUT     then a line "json" or "csv" on the input for each run; prints seconds of CPU
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';

const { DuckDBInstance } = createRequire(import.meta.url)('@duckdb/node-api');
const [command, file, argument] = process.argv.slice(2);
const connection = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect();
if (command === 'make') {
  await connection.run(`SELECT setseed(0.5)`);
  await connection.run(`COPY (SELECT
      i AS id, (random() * 1000)::INTEGER AS small, random() * 1000 AS price, (random() * 100)::DECIMAL(10, 2) AS amount,
      'user' || (random() * 10000)::INTEGER AS name, md5(i::VARCHAR) AS hash,
      DATE '2020-01-01' + (random() * 1000)::INTEGER AS day,
      TIMESTAMP '2024-01-01' + to_microseconds((random() * 1e13)::BIGINT) AS ts, random() < 0.5 AS flag,
      CASE WHEN random() < 0.2 THEN NULL ELSE 'some text, with a few words ' || (random() * 1e6)::INTEGER END AS note
    FROM range(${argument}) t(i)) TO '${file}' (FORMAT parquet, CODEC 'snappy')`);
} else {
  for await (const format of createInterface({ input: process.stdin })) {
    const started = process.cpuUsage();
    await connection.run(`COPY (FROM read_parquet('${file}')) TO '${argument}' (FORMAT ${format})`);
    const used = process.cpuUsage(started);
    console.log(((used.user + used.system) / 1e6).toFixed(3));
  }
}
