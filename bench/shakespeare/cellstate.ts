/** LanguageModel as the engine of the comparison on Shakespeare: `cellstate.ts PRECISION TEXT SETTINGS SAVED`. */
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { LanguageModel, type LanguageModelOptions } from '../../dist/index'
import { type Epoch, type Measured, type Settings, TRAINED } from './settings'

const [precision, file, settings, saved] = process.argv.slice(2) as [string, string, string, string]
const text = readFileSync(file, 'utf8')
const end = Math.floor(text.length * TRAINED)
const requests = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const answer = (value: object): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

async function run(): Promise<void> {
  let begin = 0
  answer({})
  const model = await LanguageModel.train(text.slice(0, end), {
    ...(JSON.parse(settings) as Settings),
    precision: precision as LanguageModelOptions['precision'],
    testSize: 0,
    callbacks: [
      {
        async onEpochBegin() {
          await requests.next()
          begin = performance.now()
        },
        onEpochEnd({ loss }) {
          const epoch: Epoch = { seconds: (performance.now() - begin) / 1000, loss }
          answer(epoch)
        },
      },
    ],
  })
  await requests.next()
  const { loss, tokens } = await model.perplexity(text.slice(end))
  await model.save(saved)
  const measured: Measured = { loss, characters: tokens }
  answer(measured)
}

void run()
