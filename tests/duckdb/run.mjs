// Runs SQL statements, a JSON array on standard input, one after another in one database:
//   node run.mjs < statements.json
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { DuckDBInstance } = createRequire(import.meta.url)('@duckdb/node-api');
const connection = await (await DuckDBInstance.create(':memory:')).connect();
await connection.run(`SET TimeZone = 'UTC'`);
for (const statement of JSON.parse(readFileSync(0, 'utf8'))) await connection.run(statement);
