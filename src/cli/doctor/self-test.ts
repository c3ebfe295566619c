/**
 * Loads the addon and trains a few steps at every SIMD level, in a process of its own: `cellstate doctor` survives
 * whatever an addon does to it. Prints a JSON line after every stage.
 */
import { writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Sample } from '../../data/dataset.js'
import { dense } from '../../model/layers/dense.js'
import { dropout } from '../../model/layers/dropout.js'
import { embedding, input } from '../../model/layers/inputs.js'
import { globalMaxPooling } from '../../model/layers/pooling.js'
import { lstm } from '../../model/layers/recurrent.js'
import { bidirectional } from '../../model/layers/wrappers.js'
import { sequential } from '../../model/model.js'
import { addonPlaces, computeSettings, native } from '../../native/load.js'
import { train } from '../../training/train.js'
import { errorJson } from '../options.js'

/** What the process tells, in this order; it may end after any of them. */
export type Stage =
  | { stage: 'found'; path: string; packageVersion: string | null }
  | { stage: 'failed'; error: Record<string, unknown> }
  | { stage: 'loaded'; levels: string[]; availableThreads: number; reason: string }
  | { stage: 'threads'; threads: number }
  | { stage: 'simd'; simd: string; bf16: string | null }
  | { stage: 'wrong-variable'; message: string }
  | { stage: 'level'; level: string; threads: number }
  | { stage: 'hash'; level: string; threads: number; sha256: string }
  | { stage: 'done' }

/** Sizes that are no multiple of a SIMD register, lengths 0 and 1, and every kind of kernel. */
const INPUTS = 41
const UNITS = 19
const SEQUENCES = 24
const BATCH = 8

function tell(stage: Stage): void {
  writeSync(1, `${JSON.stringify(stage)}\n`)
}

/** Where the addon is, without loading it. */
function find(): { path: string; packageVersion: string | null } | undefined {
  const { resolve } = createRequire(__filename)
  const places = addonPlaces()
  for (const place of places) {
    try {
      const found = resolve(place)
      return { path: found, packageVersion: place === places[0] ? versionOf(place) : null }
    } catch {}
  }
  return undefined
}

function versionOf(name: string): string | null {
  try {
    const { version } = createRequire(__filename)(`${name}/package.json`) as { version?: unknown }
    return typeof version === 'string' ? version : null
  } catch {
    return null
  }
}

async function trainedHash(simd: string, threads: number): Promise<string> {
  const samples: Sample[] = Array.from({ length: SEQUENCES }, (_, i) => ({
    input: Array.from({ length: (i * 5) % 17 }, (_, j) => (7 * i + 3 * j) % INPUTS),
    target: i % 3,
  }))
  using model = sequential(
    [
      embedding({ inputDim: INPUTS, outputDim: 13, dropout: 0.2 }),
      bidirectional(lstm({ units: UNITS, dropout: 0.2, recurrentDropout: 0.2, returnSequences: true })),
      globalMaxPooling(),
      dropout({ rate: 0.3 }),
      dense({ units: 3, activation: 'softmax' }),
    ],
    { seed: 36, simd, threads },
  )
  await train(model, samples, { loss: 'categoricalCrossentropy', batchSize: BATCH, epochs: 2 })
  return await model.sha256()
}

/** Tells what a variable of the environment leads to, or that it is wrong; without an addon, nothing. */
function tellVariable(read: () => Stage): void {
  try {
    tell(read())
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string }
    if (code === 'ERR_ARGUMENT') tell({ stage: 'wrong-variable', message })
  }
}

async function main(): Promise<void> {
  const found = find()
  if (found !== undefined) tell({ stage: 'found', ...found })
  tellVariable(() => ({ stage: 'threads', threads: computeSettings({ simd: 'scalar' }).threads }))
  let levels: string[]
  try {
    levels = native().simdLevels()
    const [availableThreads, reason] = [native().availableThreads(), native().availableThreadsReason()]
    tell({ stage: 'loaded', levels, availableThreads, reason })
  } catch (error) {
    tell({ stage: 'failed', error: errorJson(error) })
    return
  }
  tellVariable(() => {
    using model = sequential([input({ features: 1 }), dense({ units: 1 })], { threads: 1 })
    return { stage: 'simd', simd: model.simd, bf16: native().bf16Instruction(model.simd) }
  })
  for (const level of levels) {
    for (const threads of [1, 2]) {
      tell({ stage: 'level', level, threads })
      tell({ stage: 'hash', level, threads, sha256: await trainedHash(level, threads) })
    }
  }
  tell({ stage: 'done' })
}

main().catch((error: unknown) => tell({ stage: 'failed', error: errorJson(error) }))
