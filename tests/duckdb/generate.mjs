// Writes Parquet files with random schemas, types, nulls, codecs and row-group sizes, and what DuckDB reads from them:
//   node generate.mjs FOLDER SEED COUNT
// For each i: FOLDER/i.parquet, FOLDER/i.jsonl and, for a table of flat columns, FOLDER/i.csv.
// The same seed gives the same tables.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { DuckDBInstance } = createRequire(import.meta.url)('@duckdb/node-api');
const [folder, seed, count] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];

// mulberry32
let state = seed >>> 0;
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];

const integers = { TINYINT: 8, SMALLINT: 16, INTEGER: 32, BIGINT: 64 };
const text = [
  `'v' || (random() * 20)::INTEGER`,
  `md5(random()::VARCHAR)`,
  `['', 'a,b', 'quote"d', 'back\\slash', 'line' || chr(10) || 'feed', 'tab' || chr(9), chr(1) || chr(31) || chr(127), 'Ünïcödé', '日本語', '😀', 'null', 'x' || chr(13)][1 + (random() * 11)::INTEGER]`,
  `repeat('long ', (random() * 200)::INTEGER)`,
];

// Expressions of one type; each evaluates random() anew per row.
const scalars = [
  () => `random() < ${random().toFixed(2)}`,
  () => {
    const type = pick(Object.keys(integers));
    const span = random() < 0.5 ? 100 : 2 ** Math.min(53, integers[type]) - 2;
    return `(floor(random() * ${span}) - ${Math.floor(span / 2)})::${type}`;
  },
  () => `(hash(random()) >> 1)::BIGINT * ${pick([1, -1])}`,
  () => `(random() * 255)::UTINYINT`,
  () => `(random() * 65535)::USMALLINT`,
  () => `(random() * 4294967295)::UINTEGER`,
  () => `hash(random())`,
  () => `[random() * 1000, random() * 1e300, -random() * 1e-300, 'nan'::DOUBLE, 'inf'::DOUBLE, '-inf'::DOUBLE, 0, -0.0, 0.1, 1e15, 123456789.0][1 + (random() * 10)::INTEGER]`,
  () => `random()`,
  () => `[(random() * 1000)::FLOAT, 'nan'::FLOAT, 'inf'::FLOAT, 0.1::FLOAT, 16777216::FLOAT, 1e-40::FLOAT, 3.4e38::FLOAT][1 + (random() * 6)::INTEGER]`,
  () => {
    const precision = 1 + below(38);
    const scale = below(precision + 1);
    // Digit by digit, since a double has no 38 of them; the first 15 after the point vary.
    const whole = `floor(random() * ${10 ** Math.min(15, precision - scale)})::HUGEINT::VARCHAR`;
    const fraction = `lpad(floor(random() * ${10 ** Math.min(15, scale)})::HUGEINT::VARCHAR, ${Math.min(15, scale)}, '0')`;
    return `(['', '-'][1 + (random())::INTEGER] || ${whole} || '.' || ${fraction})::DECIMAL(${precision},${scale})`;
  },
  () => `(DATE '1970-01-01' + (random() * 40000 - 20000)::INTEGER)`,
  () => `(DATE '0001-01-01' + (random() * 5000000 - 400000)::INTEGER)`,
  () => `(TIME '00:00:00' + to_microseconds((random() * 86399999999)::BIGINT))`,
  () => `make_timestamp(((random() - 0.3) * 4e15)::BIGINT)`,
  () => `make_timestamp(((random() - 0.5) * 4e17)::BIGINT)`,
  () => `make_timestamp((random() * 4e9)::BIGINT * 1000000)::TIMESTAMP_S`,
  () => `make_timestamp((random() * 4e12)::BIGINT * 1000)::TIMESTAMP_MS`,
  () => `make_timestamp_ns(((random() - 0.5) * 8e18)::BIGINT)`,
  () => `make_timestamp(((random() - 0.3) * 4e15)::BIGINT)::TIMESTAMPTZ`,
  () => pick(text),
  () => pick(text),
  () => `unhex(md5(random()::VARCHAR)[1:2 * (random() * 16)::INTEGER])`,
  () => `md5(random()::VARCHAR)::UUID`,
  () => `to_months((random() * 40)::INTEGER) + to_days((random() * 3)::INTEGER) + to_milliseconds((random() * 2)::INTEGER * 12345)`,
  () => `['sad', 'ok', 'happy'][1 + (random() * 2)::INTEGER]::ENUM('sad', 'ok', 'happy')`,
];

function nullable(expression, probability) {
  return probability === 0 ? `(${expression})` : `(CASE WHEN random() < ${probability} THEN NULL ELSE ${expression} END)`;
}

function expression(depth) {
  const nulls = pick([0, 0, 0.05, 0.5, 0.95]);
  const kind = depth > 0 ? random() : 0;
  if (kind < 0.4) return nullable(pick(scalars)(), nulls);
  if (kind < 0.65) {
    const element = expression(depth - 1);
    return nullable(`[${Array(1 + below(4)).fill(element).join(', ')}][1:(random() * 5)::INTEGER]`, nulls);
  }
  if (kind < 0.85) {
    const fields = Array.from({ length: 1 + below(3) }, (_, i) => `'f${i}': ${expression(depth - 1)}`);
    return nullable(`{${fields.join(', ')}}`, nulls);
  }
  const key = pick([`'k' || (random() * 1000)::INTEGER`, `(random() * 1000000)::INTEGER`, `DATE '2000-01-01' + (random() * 9999)::INTEGER`]);
  const other = key.startsWith(`'k'`) ? `'other'` : key.startsWith('DATE') ? `DATE '1999-01-01'` : `-1`;
  const value = expression(depth - 1);
  return nullable(`CASE WHEN random() < 0.2 THEN MAP([${key}], [${value}])[:0] ELSE MAP([${key}, ${other}], [${value}, ${value}]) END`.replace('[:0]', ''), nulls);
}

const database = await DuckDBInstance.create(':memory:', { threads: '1' });
const connection = await database.connect();
await connection.run(`SET TimeZone = 'UTC'`);
for (let i = 0; i < count; i++) {
  const flat = random() < 0.4;
  const columns = Array.from({ length: 1 + below(flat ? 12 : 5) }, (_, c) => `${expression(flat ? 0 : 3)} AS c${c}`);
  const rows = pick([0, 1, 2, 100, 1000, 3000, 5000]);
  const options = [
    'FORMAT parquet',
    `CODEC '${pick(['uncompressed', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4_raw'])}'`,
    `ROW_GROUP_SIZE ${pick([2048, 4096, 122880])}`,
    `PARQUET_VERSION ${pick(['V1', 'V2'])}`,
    `DICTIONARY_SIZE_LIMIT ${pick([1, 50, 100000])}`,
  ];
  const file = `${folder}/${i}.parquet`;
  const sql = `SELECT ${columns.join(', ')} FROM range(${rows})`;
  try {
    await connection.run(`SELECT setseed(${((seed % 1000) / 1000 + i / 1e6).toFixed(6)})`);
    await connection.run(`COPY (${sql}) TO '${file}' (${options.join(', ')})`);
    await connection.run(`COPY (FROM read_parquet('${file}')) TO '${folder}/${i}.jsonl' (FORMAT json)`);
    if (flat) await connection.run(`COPY (FROM read_parquet('${file}')) TO '${folder}/${i}.csv' (FORMAT csv, HEADER)`);
    writeFileSync(`${folder}/${i}.sql`, `${sql}\n${options.join(', ')}\n`);
  } catch (error) {
    console.error(`table ${i} of seed ${seed}: ${error.message}\n${sql}\n${options}`);
    process.exit(1);
  }
}
