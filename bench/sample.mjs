/**
 * Measures what bags of words and the LSTM reach on examples/reviews.csv.
 *
 * `node bench/sample.mjs [--seeds 1,2,3,4,5] [--epochs 6,8,10]`, after `npm run build`. A seed draws the fifth of the
 * rows that tests, the weights and the order. Prints a Markdown table, a row a seed: accuracies on that fifth, and the
 * seconds of all epochs. The columns of scikit-learn need `python3` with scikit-learn and stay empty without it.
 */
import { execFileSync } from 'node:child_process'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { readCsv, TextClassifier } from '../dist/index.mjs'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1,2,3,4,5' },
    epochs: { type: 'string', default: '6,8,10' },
  },
})
const numbers = list => list.split(',').map(Number)
const here = name => fileURLToPath(new URL(name, import.meta.url))
const file = here('../examples/reviews.csv')
const seeds = numbers(values.seeds)

function scikitLearn() {
  try {
    const output = execFileSync('python3', [here('sample_linear.py'), file, ...seeds.map(String)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return JSON.parse(output)
  } catch (error) {
    console.error(
      `scikit-learn is not measured: ${String(error.stderr || error.message)
        .trim()
        .split('\n')
        .at(-1)}`,
    )
    return {}
  }
}

async function train(seed, epochs) {
  const classifier = await TextClassifier.train(readCsv(file), {
    text: 'text',
    label: 'stars',
    positive: '>3',
    epochs,
    seed,
  })
  classifier.dispose()
  return classifier.training
}

const share = value => (value === undefined ? '' : value.toFixed(3))
const row = cells => console.log(`| ${cells.join(' | ')} |`)
const epochs = numbers(values.epochs)
const linear = scikitLearn()
row([
  ...[
    'seed',
    'majority',
    'words counted',
    'words, TF-IDF',
    'the same, ours',
    'and pairs counted',
    'and pairs, TF-IDF',
  ],
  ...epochs.map(count => `LSTM, ${count} epochs`),
])
row(Array(7 + epochs.length).fill('---:'))
for (const seed of seeds) {
  const trainings = []
  for (const count of epochs) trainings.push(await train(seed, count))
  const { majority, linear: ours } = trainings[0].baselines
  const { count1, tfidf1, count2, tfidf2 } = linear[seed] ?? {}
  const lstm = trainings.map(({ validation, history }) => {
    const seconds = history.epochs.reduce((sum, epoch) => sum + epoch.seconds, 0)
    return `${share(validation.accuracy)} (${seconds.toFixed(0)} s)`
  })
  row([seed, ...[majority.accuracy, count1, tfidf1, ours.accuracy, count2, tfidf2].map(share), ...lstm])
}
console.error(`${cpus()[0].model}, Node.js ${process.version}`)
