/**
 * Measures how long the event loop is held up while a classifier reads, trains and validates.
 *
 * `node bench/event-loop.mjs [file.csv]`, with the columns `stars` and `text`; after `npm run build`. Prints JSON:
 * `seconds` of the whole run; `p50`, `p99` and `max` of the time between two turns of a timer of 1 ms, in milliseconds.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { readCsv, TextClassifier } from '../dist/index.mjs'

const places = ['../../shared/data/yelp.csv', '../examples/reviews.csv'].map(place =>
  fileURLToPath(new URL(place, import.meta.url)),
)
const file = process.argv[2] ?? places.find(place => existsSync(place))

const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
const begin = performance.now()
await TextClassifier.train(readCsv(file), {
  recipe: 'article',
  text: 'text',
  label: row => (Number(row.stars) > 3 ? 'positive' : 'negative'),
  epochs: 1,
  seed: 36,
  testSize: 0.2,
})
const seconds = (performance.now() - begin) / 1000
delay.disable()

const milliseconds = nanoseconds => Number((nanoseconds / 1e6).toFixed(2))
console.log(
  JSON.stringify({
    file: path.basename(file),
    seconds: Number(seconds.toFixed(2)),
    p50: milliseconds(delay.percentile(50)),
    p99: milliseconds(delay.percentile(99)),
    max: milliseconds(delay.max),
  }),
)
