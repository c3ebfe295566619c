/**
 * The default recipe of TextClassifier on test rows, beside the linear baseline.
 *
 * Usage: node bench/text-classifier.mjs FOLDER [SEEDS]
 *   FOLDER  has yelp.csv, sst2/{train,test}.tsv and chn-hotel-reviews.csv
 *   SEEDS   how many model seeds, from 1 (default 5); the split is that of seed 36
 * Prints one line of JSON a run and, at the end, the means.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

const { readCsv, TextClassifier } = createRequire(import.meta.url)('../dist/index.js')

const [folder, seeds = '5'] = process.argv.slice(2)
if (folder === undefined) {
  console.error('usage: node bench/text-classifier.mjs FOLDER [SEEDS]')
  process.exit(2)
}

const sst2 = part =>
  readFileSync(path.join(folder, 'sst2', `${part}.tsv`), 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const [text, label] = line.split('\t')
      return { text, label }
    })
const file = name => readCsv(path.join(folder, name))

/** Fresh rows for every run: files are read anew. */
const tasks = {
  'yelp, 2,000 test rows': () => [file('yelp.csv'), { text: 'text', label: 'stars', positive: '>3' }],
  'sst2, 1,821 test rows': () => [sst2('train'), { text: 'text', label: 'label', validation: sst2('test') }],
  'chn-hotel by character, 1,554 test rows': () => [
    file('chn-hotel-reviews.csv'),
    { text: 'review', label: 'label', level: 'character' },
  ],
}

for (const [task, prepare] of Object.entries(tasks)) {
  const runs = []
  for (let seed = 1; seed <= Number(seeds); seed++) {
    const [rows, options] = prepare()
    const classifier = await TextClassifier.train(rows, { ...options, seed, splitSeed: 36 })
    const { validation, baselines, history } = classifier.training
    runs.push({
      accuracy: validation.accuracy,
      linear: baselines.linear?.accuracy,
      majority: baselines.majority.accuracy,
      seconds: history.epochs.reduce((sum, epoch) => sum + epoch.seconds, 0),
    })
    console.log(JSON.stringify({ task, seed, ...runs.at(-1) }))
    classifier.dispose()
  }
  const mean = key => runs.reduce((sum, run) => sum + run[key], 0) / runs.length
  console.log(
    JSON.stringify({
      task,
      mean: { accuracy: mean('accuracy'), linear: mean('linear'), seconds: mean('seconds') },
    }),
  )
}
