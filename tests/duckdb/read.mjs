// Reads every Parquet file below a folder with DuckDB:
//   node read.mjs CORPUS FOLDER
// writes FOLDER/<path with slashes as underscores>.jsonl for those that DuckDB reads. A new database per file, since
// some files invalidate one.
import { readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';

const { DuckDBInstance } = createRequire(import.meta.url)('@duckdb/node-api');
const [corpus, folder] = process.argv.slice(2);
for (const path of readdirSync(corpus, { recursive: true })) {
  // One map of 2 GiB and more: its rows are no text that anybody compares.
  if (!path.endsWith('.parquet') || path.includes('large_string_map')) continue;
  const output = `${folder}/${path.replaceAll('/', '_')}.jsonl`;
  try {
    const connection = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect();
    await connection.run(`SET TimeZone = 'UTC'`);
    await connection.run(`COPY (FROM read_parquet('${corpus}/${path}')) TO '${output}' (FORMAT json)`);
  } catch (error) {
    rmSync(output, { force: true });
    console.log(`${path}: ${error.message.split('\n')[0]}`);
  }
}
