/**
 * Reads generated files that are larger than the memory a reader may take, each in a process of its own, and tells how
 * much memory that took above importing the package.
 *
 *     node scripts/verify/large-data.mjs [--megabytes 1000] [--kinds csv,wav] [--json] [--write]
 *
 * `--write` writes docs/verify/large-data.md.
 */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createGzip } from 'node:zlib'

const FILE = fileURLToPath(import.meta.url)
const ROOT = path.join(path.dirname(FILE), '../..')
const WORDS = 'the food was good bad service place time really nice never again would friendly slow'.split(
  ' ',
)

const TEXTS = Array.from({ length: 4096 }, (_, i) =>
  Array.from({ length: 20 + ((i * 7919) % 60) }, (_, j) => WORDS[(i * 31 + j * j * 7) % WORDS.length]).join(
    ' ',
  ),
)

/** The same text for the same number; the number in it does not pack well. */
function review(i) {
  const mixed = salt => (Math.imul(i + salt, 0x9e3779b1) >>> 0).toString(36)
  return `${mixed(0)} ${TEXTS[i % TEXTS.length]} ${mixed(7)} ${mixed(13)}`
}

const lines = line =>
  async function* (bytes) {
    for (let i = 0, size = 0; size < bytes; ) {
      let part = ''
      while (part.length < 65_536) part += line(i++)
      size += part.length
      yield part
    }
  }
const csv = lines(i => (i === 0 ? 'text,stars\n' : `"${review(i)}, ""indeed""",${1 + (i % 5)}\n`))
const json = lines(i => `${JSON.stringify({ review_id: i, stars: 1 + (i % 5), text: review(i) })}\n`)

async function* sound(bytes) {
  const header = Buffer.alloc(44)
  header.write('RIFF\xff\xff\xff\xffWAVEfmt ', 'latin1')
  header.set([16, 0, 0, 0, 1, 0, 2, 0], 16)
  header.writeUInt32LE(44_100, 24)
  header.writeUInt32LE(4 * 44_100, 28)
  header.set([4, 0, 16, 0], 32)
  header.write('data', 36)
  header.writeUInt32LE(bytes - (bytes % 4), 40)
  yield header
  const block = Buffer.from(Int16Array.from({ length: 32_768 }, (_, i) => (i * 7919) % 20_000).buffer)
  for (let left = bytes - (bytes % 4); left > 0; left -= block.length) yield block.subarray(0, left)
}

/** By name: the file's extension, its bytes, and what reads it. */
const KINDS = {
  csv: { extension: 'csv', parts: csv, read: ({ readCsv }, file) => readCsv(file) },
  'csv.gz': { extension: 'csv.gz', parts: csv, read: ({ readCsv }, file) => readCsv(file) },
  jsonl: { extension: 'jsonl', parts: json, read: ({ readJsonLines }, file) => readJsonLines(file) },
  text: { extension: 'txt', parts: csv, read: ({ readText }, file) => readText(file) },
  parquet: { extension: 'parquet', read: ({ readParquet }, file) => readParquet(file) },
  wav: { extension: 'wav', parts: sound, read: ({ readWav }, file) => readWav(file) },
  'stream of a dataset': {
    extension: 'jsonl',
    parts: json,
    read: ({ StreamedDataset, readJsonLines }, file) =>
      new StreamedDataset(async function* () {
        for await (const { text, stars } of readJsonLines(file)) {
          yield { input: Array.from(text, letter => letter.charCodeAt(0)), target: stars }
        }
      }).batches({ batchSize: 32, lengthPool: 50, accumulateSteps: 1, seed: 36, epoch: 0 }),
  },
  training: { extension: 'csv', parts: csv, read: trainedOn },
}

/** The steps of an epoch over a file, whose first rows give the words. */
async function* trainedOn(api, file) {
  const tokenizer = new api.Tokenizer({ numWords: 2500 })
  const firstTexts = async function* (count) {
    for await (const { text } of api.readCsv(file)) {
      if (count-- === 0) return
      yield text
    }
  }
  await tokenizer.fit(firstTexts(20_000))
  const reviews = new api.StreamedDataset(async function* () {
    for await (const { text, stars } of api.readCsv(file)) {
      yield { input: tokenizer.encode(text), target: Number(stars) > 3 ? 1 : 0 }
    }
  })
  const model = api.sequential([
    api.embedding({ inputDim: tokenizer.size, outputDim: 32 }),
    api.lstm({ units: 32 }),
    api.dense({ units: 2, activation: 'softmax' }),
  ])
  const options = { loss: 'sparseCategoricalCrossentropy', batchSize: 64, lengthPool: 50 }
  for await (const step of api.train(model, reviews, options)) yield step
}

async function writeKind({ extension, parts }, file, bytes) {
  if (extension === 'parquet') return await writeParquet(file, bytes)
  const out = createWriteStream(file)
  const end = extension.endsWith('.gz') ? createGzip({ level: 1 }) : out
  if (end !== out) end.pipe(out)
  for await (const part of parts(bytes)) if (!end.write(part)) await once(end, 'drain')
  end.end()
  await once(out, 'close')
}

/** Row groups of 10,000 rows; `bytes` of text before packing. */
async function writeParquet(file, bytes) {
  const { parquetWriteRows } = await import('hyparquet-writer')
  const { fileWriter } = await import('hyparquet-writer/src/node.js').catch(() => import('hyparquet-writer'))
  function* rows() {
    for (let i = 0, size = 0; size < bytes; i++) {
      const text = review(i)
      size += text.length
      yield { text, stars: 1 + (i % 5) }
    }
  }
  const columns = [
    { name: 'text', type: 'STRING' },
    { name: 'stars', type: 'INT32' },
  ]
  await parquetWriteRows({ writer: fileWriter(file), rows: rows(), columns, rowGroupSize: 10_000 })
}

/** In a process of its own: reads a file and prints what that took. */
async function child(kind, file) {
  const api = createRequire(FILE)(path.join(ROOT, 'dist/index.js'))
  if (kind === 'parquet') await import('hyparquet')
  const begin = process.memoryUsage.rss()
  const start = performance.now()
  let items = 0
  for await (const _ of KINDS[kind].read(api, file)) items++
  const peak = process.resourceUsage().maxRSS * 1024
  const seconds = (performance.now() - start) / 1000
  console.log(JSON.stringify({ items, seconds, peakAboveImport: peak - begin }))
}

async function main() {
  const { values } = parseArgs({
    options: {
      megabytes: { type: 'string', default: '1000' },
      kinds: { type: 'string', default: Object.keys(KINDS).join(',') },
      json: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
    },
  })
  const bytes = Number(values.megabytes) * 1e6
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cellstate-large-'))
  const results = []
  try {
    for (const kind of values.kinds.split(',')) {
      const file = path.join(folder, `large.${KINDS[kind].extension}`)
      await writeKind(KINDS[kind], file, bytes)
      const size = statSync(file).size
      const run = spawnSync(process.execPath, [FILE, '--child', kind, file], { encoding: 'utf8' })
      rmSync(file)
      if (run.status !== 0) throw new Error(`${kind}: ${run.stderr}`)
      results.push({ kind, bytes: size, ...JSON.parse(run.stdout) })
      if (!values.json) console.log(row(results.at(-1)))
      if (values.write) writeFileSync(path.join(ROOT, 'docs/verify/large-data.md'), report(results, bytes))
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  if (values.json) console.log(JSON.stringify(results))
}

const mega = bytes => (bytes / 1e6).toFixed(0)
const row = ({ kind, bytes, items, peakAboveImport, seconds }) =>
  `| ${kind} | ${mega(bytes)} | ${items.toLocaleString('en-US')} | ${mega(peakAboveImport)} | ${seconds.toFixed(0)} |`

function report(results, bytes) {
  return [
    '# Large files',
    '',
    `Files of ${mega(bytes)} MB (before packing), each read to its end in a process of its own. Memory is the highest`,
    'resident size above that after importing the package. Parquet has row groups of 10,000 rows; the stream of a dataset',
    'keeps 10,000 examples to draw from and a pool of 50 batches, and so does the training: an epoch of an LSTM of 32 units',
    'over the reviews of a CSV, a step a batch.',
    '',
    `Made by \`npm run verify:large-data -- --write\` with Node.js ${process.version} on ${os.cpus()[0].model}.`,
    '',
    '| file | MB | rows, lines, blocks or batches | memory (MB) | seconds |',
    '|---|---:|---:|---:|---:|',
    ...results.map(row),
    '',
  ].join('\n')
}

if (process.argv[2] === '--child') await child(process.argv[3], process.argv[4])
else await main()
