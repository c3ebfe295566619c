/**
 * Tokens a second of writing: `generate()` with all that it does, beside the steps of the network alone, in turn.
 *
 *     node bench/generate.mjs MODEL.safetensors [--length 2000] [--rounds 7]      after npm run build
 */
import { parseArgs } from 'node:util'
import { LanguageModel } from '../dist/index.mjs'

const { values, positionals } = parseArgs({
  options: { length: { type: 'string', default: '2000' }, rounds: { type: 'string', default: '7' } },
  allowPositionals: true,
})
if (positionals.length !== 1) {
  console.error('usage: node bench/generate.mjs MODEL.safetensors [--length 2000] [--rounds 7]')
  process.exit(2)
}
const length = Number(values.length)
const language = await LanguageModel.load(positionals[0])
const ids = language.tokenizer.encode(
  (await language.generate('\n', { length, seed: 1 }).text()).slice(0, length),
)
const ways = {
  'steps alone': async () => {
    const session = language.model.session()
    await session.step(ids[0])
    for (const id of ids) session.stepSync(id)
  },
  'drawn from all': async () => {
    for await (const _ of language.generate('\n', { length, seed: 1 }));
  },
  'temperature 0.8, top-k 20, top-p 0.95': async () => {
    const options = { length, seed: 1, temperature: 0.8, topK: 20, topP: 0.95 }
    for await (const _ of language.generate('\n', options));
  },
}
const times = Object.fromEntries(Object.keys(ways).map(name => [name, []]))
for (let round = 0; round < Number(values.rounds); round++) {
  for (const [name, way] of Object.entries(ways)) {
    const begin = performance.now()
    await way()
    times[name].push((1e3 * (performance.now() - begin)) / length)
  }
}
const median = list => list.sort((a, b) => a - b)[list.length >> 1]
for (const [name, list] of Object.entries(times)) {
  const microseconds = median(list)
  console.log(
    `${name.padEnd(38)} ${microseconds.toFixed(1).padStart(6)} µs a token, ${Math.round(1e6 / microseconds).toLocaleString('en-US')} tokens/s`,
  )
}
