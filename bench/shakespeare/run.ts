/**
 * Shakespeare by characters, beside PyTorch: the same architecture, schedule and steps on the first nine tenths of the plays; the
 * last tenth is read once, at the end. Engines take turns, epoch by epoch.
 *
 *     npm run bench:shakespeare -- [--engines cellstate,pytorch,…] [--epochs N] [--out FILE] [--model FILE]
 *
 * Engines: `cellstate`, `cellstate:bf16`, `pytorch`, `pytorch:autocast`. `--model` keeps the model of cellstate.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { CharacterTokenizer, NGramModel } from '../../dist/index'
import { probeMachine } from '../machine'
import { EngineProcess } from '../process'
import { median } from '../statistics'
import { type Epoch, type Measured, SETTINGS, TEXT, TRAINED } from './settings'

const FILES: Record<string, readonly [string, string]> = {
  cellstate: ['cellstate.ts', 'f32'],
  'cellstate:bf16': ['cellstate.ts', 'bf16'],
  pytorch: ['pytorch.py', 'f32'],
  'pytorch:autocast': ['pytorch.py', 'autocast'],
}
/** Longest n-grams that are counted beside. */
const ORDERS = [3, 4, 5, 6, 7]

interface Side {
  name: string
  process: EngineProcess
  version?: string
  epochs: Epoch[]
  measured?: Measured
}

async function run(): Promise<void> {
  const { values } = parseArgs({
    options: {
      engines: { type: 'string', default: Object.keys(FILES).join(',') },
      epochs: { type: 'string', default: String(SETTINGS.epochs) },
      threads: { type: 'string', default: '2' },
      out: { type: 'string' },
      model: { type: 'string' },
    },
  })
  if (!existsSync(TEXT)) throw new Error(`there is no ${TEXT}`)
  const settings = { ...SETTINGS, epochs: Number(values.epochs) }
  const threads = Number(values.threads)
  const machine = await probeMachine(threads)
  const scratch = path.join(tmpdir(), `cellstate-shakespeare-${process.pid}`)
  const sides: Side[] = []
  try {
    for (const name of values.engines.split(',')) {
      const kind = FILES[name]
      if (kind === undefined)
        throw new Error(`unknown engine ${name}: one of ${Object.keys(FILES).join(', ')}`)
      const [file, precision] = kind
      const saved =
        name === 'cellstate' && values.model ? values.model : `${scratch}-${precision}.safetensors`
      const engine = new EngineProcess(
        path.join(__dirname, file),
        [precision, TEXT, JSON.stringify(settings), saved],
        threads,
      )
      const { version } = await engine.answer<{ version?: string }>()
      sides.push({ name, process: engine, ...(version && { version }), epochs: [] })
    }
    for (let epoch = 0; epoch < settings.epochs; epoch++) {
      // Nobody is always first.
      for (const [i] of sides.entries()) {
        const side = sides[(i + epoch) % sides.length]!
        const result = await side.process.ask<Epoch>({ epoch: true })
        side.epochs.push(result)
        console.log(
          `${side.name} epoch ${epoch + 1}: ${result.loss.toFixed(4)}, ${result.seconds.toFixed(1)} s`,
        )
      }
    }
    for (const side of sides) {
      side.measured = await side.process.ask<Measured>({ measure: true })
      console.log(`${side.name}: ${side.measured.loss.toFixed(4)} on the last tenth`)
    }
  } finally {
    for (const { process } of sides) process.end()
    for (const precision of ['f32', 'bf16']) rmSync(`${scratch}-${precision}.safetensors`, { force: true })
  }
  const text = readFileSync(TEXT, 'utf8')
  const end = Math.floor(text.length * TRAINED)
  const counts = await countsOf(text.slice(0, end), text.slice(end - 1))
  const results = {
    command: `npm run bench:shakespeare -- --out docs/results/shakespeare.json --model FILE`,
    machine: `${machine.cpu}, ${machine.cores} cores`,
    date: new Date().toISOString().slice(0, 10),
    threads,
    simd: machine.simd,
    settings,
    characters: { train: end, test: sides[0]!.measured!.characters },
    counts,
    engines: sides.map(({ name, version, epochs, measured }) => ({
      name,
      ...(version && { version }),
      loss: rounded(measured!.loss),
      trainingLoss: rounded(epochs.at(-1)!.loss),
      seconds: epochs.map(({ seconds }) => Number(seconds.toFixed(1))),
      timesAsLong: rounded(median(epochs.map(({ seconds }, i) => seconds / sides[0]!.epochs[i]!.seconds))),
    })),
  }
  console.log(JSON.stringify(results, null, 1))
  if (values.out)
    writeFileSync(values.out, `${JSON.stringify(results, null, 1).replace(/\n\s+(?=[\d\].])/g, ' ')}\n`)
}

const rounded = (value: number): number => Number(value.toPrecision(4))

/** Nats a character of Kneser–Ney n-grams by their order; the first character of `test` is given. */
async function countsOf(trained: string, test: string): Promise<{ order: number; loss: number }[]> {
  const tokenizer = await new CharacterTokenizer().fit([trained])
  const [known, ids] = [tokenizer.encode(trained), tokenizer.encode(test)]
  const found: { order: number; loss: number }[] = []
  for (const order of ORDERS) {
    const model = await NGramModel.fit(known, { order, vocabularySize: tokenizer.size })
    found.push({ order, loss: rounded(Math.log(model.perplexity(ids))) })
  }
  return found
}

void run()
