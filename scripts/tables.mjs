/**
 * Writes the tables of the documents: `node scripts/tables.mjs`.
 *
 * Those of README.md come from the measured results of docs/results/: `reviews.json` is written by bench/reviews.mjs,
 * `portability.json` by scripts/verify/portability.mjs. Those of docs/layers.md and docs/training.md come from
 * src/model/unsupported.ts, those of docs/performance.md from `scaling.json`, which bench/scaling.mjs writes, and the models
 * in src/cli/scaling/. Those of docs/classic-tasks.md come from what the programs of examples/ write that are named as the
 * results, those of docs/language.md from bench/shakespeare/, bench/words.mjs and examples/fill-the-blank.ts.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { argv } from 'node:process'
import { fileURLToPath, pathToFileURL } from 'node:url'

const README = fileURLToPath(new URL('../README.md', import.meta.url))
const TRAINING = fileURLToPath(new URL('../docs/training.md', import.meta.url))
const LAYERS = fileURLToPath(new URL('../docs/layers.md', import.meta.url))
const CLASSIC = fileURLToPath(new URL('../docs/classic-tasks.md', import.meta.url))
const LANGUAGE = fileURLToPath(new URL('../docs/language.md', import.meta.url))
const PERFORMANCE = fileURLToPath(new URL('../docs/performance.md', import.meta.url))
const results = name =>
  JSON.parse(readFileSync(new URL(`../docs/results/${name}.json`, import.meta.url), 'utf8'))

const table = rows =>
  rows
    .map((cells, i) => `| ${cells.join(' | ')} |${i === 0 ? `\n|${'---|'.repeat(cells.length)}` : ''}`)
    .join('\n')

/** `12`, `11 to 13`, of the smallest and the largest. */
function range(values, show) {
  const [least, most] = [Math.min(...values), Math.max(...values)].map(show)
  return least === most ? least : `${least} to ${most}`
}
const seconds = value => String(Number(value < 10 ? value.toFixed(1) : value.toFixed(0)))
const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length

const NAMES = {
  article: ({ version }) => `**cellstate ${version}**, \`--recipe article\``,
  default: ({ version }) => `**cellstate ${version}**, default recipe`,
  keras: ({ version }) =>
    `Keras ${version.replace(' ', ' with ')}, the same model, padded to the longest text`,
  keras200: ({ version }) => `Keras ${version.replace(' ', ' with ')}, the same, cut to 200 words`,
  linear: ({ version }) => `TF-IDF and logistic regression, scikit-learn ${version}`,
}

function reviews() {
  const runs = Object.entries(results('reviews').runs)
  const machines = new Set(runs.map(([, { machine }]) => machine))
  const rows = runs.map(([name, run], i) => [
    NAMES[name](run),
    `${range(run.seconds, seconds)} s`,
    run.accuracy.length > 1
      ? `${mean(run.accuracy).toFixed(3)} (${range(run.accuracy, value => value.toFixed(3))})`
      : run.accuracy[0].toFixed(3),
    `${run.date} [${i + 1}]`,
  ])
  const notes = runs.map(([, run], i) => {
    const { command, threads, simd, tokensPerSecond, note } = run
    const speed = tokensPerSecond
      ? `: ${range(tokensPerSecond, value => `${Math.round(value / 1000)}k`)} tokens/s`
      : ''
    return `${i + 1}. \`${command}\`${threads ? ` (${threads} threads, ${simd}${speed})` : ''}${note ? ` (${note})` : ''}`
  })
  return [
    table([['', 'time', 'accuracy', 'measured'], ...rows]),
    '',
    `Machine: ${[...machines].join('; ')}. Commands:`,
    '',
    ...notes,
  ].join('\n')
}

const LEVELS = ['scalar', 'avx2', 'avx512', 'neon']

/** `Node.js 20.19.0, 22.23.3; Bun 1.4.5` of runtimes as `Node.js 22.23.3`. */
function versions(runtimes) {
  const names = [...new Set(runtimes.map(runtime => runtime.split(' ')[0]))]
  const numbers = name => runtimes.filter(runtime => runtime.startsWith(name)).map(text => text.split(' ')[1])
  const sorted = name =>
    [...new Set(numbers(name))].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  return names.map(name => `${name} ${sorted(name).join(', ')}`).join('; ')
}

/** Where the packed packages were installed and run, from portability.json: a row a platform. */
function platforms() {
  const { date, rows } = results('portability')
  const all = JSON.parse(readFileSync(new URL('../npm/platforms.json', import.meta.url), 'utf8'))
  return table([
    ['platform', 'instruction sets', 'runtimes', `\`npm run verify:portability\`, ${date}`],
    ...all.map(({ name, title }) => {
      const own = rows.filter(({ platform }) => platform === name)
      const trained = own.filter(({ weights }) => weights !== undefined)
      const levels = LEVELS.filter(level => trained.some(row => row.level === level))
      const same = trained.every(({ result }) => result === 'same') ? 'the same weights' : '**other weights**'
      const linked = own.some(({ result }) => result === 'linked, not run') ? 'linked, not run' : 'not run'
      return [
        title,
        levels.join(', '),
        versions(trained.map(({ runtime }) => runtime).filter(Boolean)),
        trained.length === 0 ? linked : `${trained.length} trainings: ${same}`,
      ]
    }),
  ])
}

const code = names => names.map(name => `\`${name}\``).join(', ')
/** Lines of what to use instead as one sentence part: those that begin with "or" or "and" go on with the one before. */
const joined = lines => lines.reduce((text, line) => `${text}${/^(or|and) /.test(line) ? ' ' : '; '}${line}`)

/** The tables of docs/layers.md from what src/model/unsupported.ts exports. */
const instead = (title, rows) =>
  table([
    [title, 'what to use instead', 'why'],
    ...rows.map(row => [
      code(row.names) + (row.of ? ` of ${code(row.of)}` : ''),
      joined(row.instead),
      row.why,
    ]),
  ])

export function lossRefusals({ LOSS_REFUSALS, LOSS_NAMES }) {
  return {
    losses: () => instead('loss', LOSS_REFUSALS),
    lossNames: () =>
      table([['elsewhere', 'here'], ...LOSS_NAMES.map(({ here, names }) => [code(names), `\`'${here}'\``])]),
  }
}

export function refusals({ LAYER_REFUSALS, LAYER_NAMES, OPTION_REFUSALS, OPTION_NAMES, VALUE_REFUSALS }) {
  return {
    layers: () => instead('layer', LAYER_REFUSALS),
    options: () => instead('option', OPTION_REFUSALS),
    values: () => instead('value', Object.values(VALUE_REFUSALS).flat()),
    names: () =>
      table([
        ['elsewhere', 'here'],
        ...LAYER_NAMES.map(({ here, names }) => [code(names), `\`${here}\``]),
        ...OPTION_NAMES.map(({ here, names, of }) => [code(names), `\`${here}\` of ${code(of)}`]),
      ]),
  }
}

const digits = value => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))
const thousands = value => (value < 999_500 ? `${digits(value / 1000)}k` : `${(value / 1e6).toFixed(2)}M`)
const share = value => `${(100 * value).toFixed(1)} %`
const megabytes = value => `${(value / 1e6).toFixed(1)} MB`

const COSTS = {
  step: ['a step, whatever its size', '1', 'µs', 1e-3],
  products: ['products', 'multiply-adds of a thread', 'ps', 1e3],
  weights: ['reading recurrent weights', 'weights read by a thread', 'ps', 1e3],
  farWeights: ['waiting for weights beyond the cache', 'those, with one to three rows', 'ps', 1e3],
  meetings: ['meetings of threads', '2 · T, where units are split', 'µs', 1e-3],
  cells: ['cells', 'rows of a thread · T · Hₚ', 'ns', 1],
  parameters: ['parameters', 'parameters of the model', 'ns', 1],
  farParameters: ['parameters beyond the cache', 'parameters above 1.6 million', 'ns', 1],
}
const FORECAST_THREADS = [1, 2, 16, 64]
const FORECASTS = [
  [32, 200],
  [128, 200],
  [512, 200],
  [32, 1024],
  [512, 1024],
]

/** The tables of docs/performance.md from what src/cli/scaling/ exports, for its model of time and memory. */
export function performanceTables({
  AXES,
  besideAxes,
  expectedDistinct,
  nameOf,
  onAxis,
  predictedTime,
  timesOf,
}) {
  const { machine, version, base, points, fit, date, command } = results('scaling')
  const costs = fit.nanoseconds
  const names = Object.entries(COSTS)
  return {
    scaling: () =>
      [
        `Measured on ${date}: ${machine.cpu}, ${machine.cores} cores, ${machine.simd}, cellstate ${version}; \`${command}\`.`,
        `Where a row does not say otherwise, N is ${base.N}, T ${base.T}, H ${base.H}, on ${base.threads} threads. The model is off by`,
        `${share(fit.relativeErrors.median)} in the median and ${share(fit.relativeErrors.worst)} at worst.`,
        '',
        table([
          ['', 'time of a step', 'quartiles', 'model', 'off by', 'tokens/s', 'of FMA peak'],
          ...[
            ...AXES.flatMap(axis =>
              onAxis(points, base, axis).map(point => [`${axis} ${point[axis]}`, point]),
            ),
            ...besideAxes(points, base).map(point => [nameOf(point, base), point]),
          ].map(([name, point]) => {
            const { milliseconds, predictedMilliseconds, tokensPerSecond, shareOfPeak } = point
            const { median, low, high } = milliseconds
            const error = predictedMilliseconds / median - 1
            return [
              name,
              `${digits(median)} ms`,
              `${digits(low)} to ${digits(high)}`,
              `${digits(predictedMilliseconds)} ms`,
              `${error < 0 ? '−' : '+'}${share(Math.abs(error))}`,
              thousands(tokensPerSecond),
              `${(100 * shareOfPeak).toFixed(0)} %`,
            ]
          }),
        ]),
      ].join('\n'),
    costs: () =>
      table([
        ['work', 'counted', 'cost of one', `of ${digits(points[0].predictedMilliseconds)} ms of the base`],
        ...names.map(([part, [name, counted, unit, factor]]) => [
          name,
          counted,
          costs[part] === 0 ? 'too little to tell' : `${digits(costs[part] * factor)} ${unit}`,
          `${timesOf(points[0], costs)[part].toFixed(2)} ms`,
        ]),
      ]),
    memory: () =>
      table([
        ['N', 'T', 'H', 'distinct tokens', 'parameters', 'formula', 'growth of the process'],
        ...['threads', 'T', 'H']
          .map(axis => onAxis(points, base, axis).at(-1))
          .map(({ N, T, H, distinctTokens, parameters, predictedBytes, residentBytes }) => [
            N,
            T,
            H,
            distinctTokens,
            parameters.toLocaleString('en-US'),
            megabytes(predictedBytes),
            megabytes(residentBytes),
          ]),
      ]),
    forecast: () =>
      table([
        [
          'N',
          'H',
          ...FORECAST_THREADS.map(threads => `${threads} thread${threads === 1 ? '' : 's'}`),
          'parameters, of 64',
        ],
        ...FORECASTS.map(([N, H]) => {
          const at = threads => ({ N, T: base.T, H, threads, distinctTokens: expectedDistinct(N * base.T) })
          const time = threads => predictedTime(at(threads), costs)
          const parts = timesOf(at(64), costs)
          return [
            N,
            H,
            ...FORECAST_THREADS.map(threads => {
              const faster = threads === 1 ? '' : ` (${(time(1) / time(threads)).toFixed(1)}×)`
              return `${thousands((1000 * N * base.T) / time(threads))}${faster}`
            }),
            `${((100 * (parts.parameters + parts.farParameters)) / time(64)).toFixed(0)} %`,
          ]
        }),
      ]),
  }
}

/** Names of the classic tasks in docs/classic-tasks.md, by their results. */
const TASKS = {
  'adding-problem': 'adding problem',
  'copy-memory': 'copy memory',
  'temporal-order': 'temporal order',
  'reber-grammar': 'embedded Reber grammar',
  'pixel-digits': 'digits by pixels',
}
const CELLS = ['simple RNN', 'GRU', 'LSTM', 'LSTM, chrono']

const middle = values => values.toSorted((a, b) => a - b)[values.length >> 1]

/** How many of the runs reach the bar. */
const solved = ({ bar, lessIsBetter }, runs) =>
  runs.filter(({ result, distance }) => (lessIsBetter ? result < bar[distance] : result > bar[distance]))
    .length

const runsOf = (task, distance, cell) =>
  task.runs.filter(run => run.cell === cell && run.distance === Number(distance))

/** How the cells of a task were trained, and what came out. */
function classicTask(name) {
  const task = results(name)
  const distances = Object.keys(task.settings)
  const rows = distances.flatMap(distance =>
    CELLS.map(cell => [distance, cell, runsOf(task, distance, cell)]),
  )
  const minutes = task.runs.reduce((sum, run) => sum + run.seconds, 0) / 60
  return [
    `The distance is the ${task.distance}. Measured is the ${task.measure}.`,
    '',
    table([
      [
        'distance',
        'by chance',
        'bar',
        'units',
        'rate',
        'of the simple RNN',
        'batch',
        'sequences',
        'epochs at most',
      ],
      ...distances.map(distance => {
        const { units, learningRate, simpleRnnRate, batchSize, sequences, epochs } = task.settings[distance]
        const count = sequences.toLocaleString('en-US')
        return [
          distance,
          task.chance[distance],
          task.bar[distance],
          units,
          learningRate,
          simpleRnnRate,
          batchSize,
          count,
          epochs,
        ]
      }),
    ]),
    '',
    table([
      ['distance', 'cell', 'seed 1', '2', '3', '4', '5', 'solved', 'steps, median', 'time, mean'],
      ...rows
        .filter(([, , runs]) => runs.length > 0)
        .map(([distance, cell, runs]) => [
          distance,
          cell,
          ...runs.map(({ result }) => result),
          `${solved(task, runs)} of ${runs.length}`,
          middle(runs.map(({ steps }) => steps)).toLocaleString('en-US'),
          `${seconds(mean(runs.map(run => run.seconds)))} s`,
        ]),
    ]),
    '',
    `\`${task.command}\`: ${minutes.toFixed(1)} minutes of one core in all; ${task.machine}, ${task.date}.`,
  ].join('\n')
}

/** Medians of all tasks, and how many runs reach the bar. */
function classicOverview() {
  const cellOf = (task, runs) => {
    if (runs.length === 0) return 'not run'
    const count = solved(task, runs)
    const shown = `${middle(runs.map(({ result }) => result))} (${count} of ${runs.length})`
    return count === runs.length ? `**${shown}**` : shown
  }
  return table([
    ['task', 'distance', ...CELLS, 'by chance'],
    ...Object.entries(TASKS).flatMap(([name, title]) => {
      const task = results(name)
      return Object.entries(task.chance).map(([distance, chance]) => [
        title,
        distance,
        ...CELLS.map(cell => cellOf(task, runsOf(task, distance, cell))),
        chance,
      ])
    }),
  ])
}

/** The tables of docs/classic-tasks.md: all tasks in one, and those of each. */
export function classicTables() {
  const camel = name => name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase())
  return {
    overview: classicOverview,
    ...Object.fromEntries(Object.keys(TASKS).map(name => [camel(name), () => classicTask(name)])),
  }
}

/** The tables of docs/language.md, of what is measured there. */
export function languageTables() {
  return { shakespeare: shakespeareTable, words: wordsTable, blanks: blanksTable }
}

/** Where numbers come from: a command, a machine, a day. */
const source = ({ command, machine, date }) => `\`${command}\`; ${machine}, ${date}.`

const ENGINES = {
  cellstate: 'cellstate',
  'cellstate:bf16': "cellstate, `precision: 'bf16'`",
  pytorch: 'PyTorch',
  'pytorch:autocast': 'PyTorch, `autocast` to bfloat16',
}

function shakespeareTable() {
  const { engines, counts, ...rest } = results('shakespeare')
  const best = counts.reduce((a, b) => (b.loss < a.loss ? b : a))
  return [
    table([
      ['', 'nats a character', 'while training', 'seconds an epoch, median', 'times as long'],
      ...engines.map(({ name, version, loss, trainingLoss, seconds: times, timesAsLong }) => [
        `${ENGINES[name]}${version ? ` ${version}` : ''}`,
        loss.toFixed(3),
        trainingLoss.toFixed(3),
        middle(times),
        timesAsLong.toFixed(2),
      ]),
      [`Kneser–Ney, ${best.order} characters, the best order`, best.loss.toFixed(3), '', '', ''],
    ]),
    '',
    source(rest),
  ].join('\n')
}

function wordsTable() {
  const { counts, runs, ...rest } = results('words')
  return [
    table([
      ['', 'perplexity a word', 'while training'],
      [`Kneser–Ney, ${counts.order} words`, counts.perplexity, ''],
      ...runs.map(({ recipe, optimizer, epochs, perplexity, trainingPerplexity }) => [
        `\`${recipe}\`, ${optimizer}, ${epochs} epochs`,
        perplexity,
        trainingPerplexity,
      ]),
    ]),
    '',
    source(rest),
  ].join('\n')
}

function blanksTable() {
  const { distances, runs, ...rest } = results('fill-the-blank')
  const rows = (of, what) =>
    CELLS.filter(cell => runs.some(run => run.cell === cell)).map(cell => [
      cell,
      what,
      ...distances.map((_, at) => {
        const shares = runs.filter(run => run.cell === cell).map(run => of(run)[at])
        return `${middle(shares).toFixed(2)} (${Math.min(...shares).toFixed(2)})`
      }),
    ])
  return [
    table([
      ['cell', 'somebody else', ...distances],
      ...rows(run => run.alone, 'no'),
      ...rows(run => run.distracted, 'yes'),
    ]),
    '',
    source(rest),
  ].join('\n')
}

/** `text` with every generated part renewed: what stands between `<!-- name -->` and `<!-- /name -->`. */
export function withTables(text, parts = { reviews, platforms }) {
  return text.replace(
    /(<!-- (\w+) -->\n)[\s\S]*?(<!-- \/\2 -->)/g,
    (_, begin, name, end) => `${begin}${parts[name]()}\n${end}`,
  )
}

if (import.meta.url === pathToFileURL(argv[1] ?? '').href) {
  writeFileSync(README, withTables(readFileSync(README, 'utf8')))
  await import('./typescript.mjs')
  const unsupported = await import('../src/model/unsupported.ts')
  writeFileSync(LAYERS, withTables(readFileSync(LAYERS, 'utf8'), refusals(unsupported)))
  writeFileSync(TRAINING, withTables(readFileSync(TRAINING, 'utf8'), lossRefusals(unsupported)))
  writeFileSync(CLASSIC, withTables(readFileSync(CLASSIC, 'utf8'), classicTables()))
  writeFileSync(LANGUAGE, withTables(readFileSync(LANGUAGE, 'utf8'), languageTables()))
  const scaling = {
    ...(await import('../src/cli/scaling/fit.ts')),
    ...(await import('../src/cli/scaling/points.ts')),
  }
  writeFileSync(PERFORMANCE, withTables(readFileSync(PERFORMANCE, 'utf8'), performanceTables(scaling)))
}
