/**
 * The benchmark: `npm run bench -- --engines cellstate,pytorch --workloads reviews,ragged --json`.
 *
 * Engines take turns, round by round. Nothing is installed: `npm run bench:install` does that.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { contendersNamed, MANDATORY } from './engine'
import { probeMachine } from './machine'
import { type Failure, measure, type Result } from './measure'
import { native } from './native'
import { chart, commandsOf, losses, merged, type Report, table } from './report'
import { allWorkloads, titleOf, workloadsNamed } from './workloads'

const list = (text: string): string[] => text.split(',').filter(name => name !== '')

function whole(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('It must be a whole number from 1.')
  return Number(text)
}

interface Options {
  engines: string[]
  workloads: string[]
  rounds: number
  threads: number
  json?: boolean
  out?: string
}

const command = new Command('npm run bench --')
  .description('measures cellstate and others at the same generated workloads, in turn')
  .option('--engines <names>', 'engine, engine:variant, engine:all, or all', list, [...MANDATORY])
  .option('--workloads <names>', 'as reviews,ragged, or a part as reviews:train:128', list, [
    ...new Set(allWorkloads().map(({ workload }) => workload)),
  ])
  .option('--rounds <n>', 'rounds of every engine', whole, 9)
  .option('--threads <n>', 'threads of every engine', whole, native().availableThreads())
  .option('--json', 'print one JSON document on standard output, the table on standard error')
  .option(
    '--out <folder>',
    'write results.json, README.md and chart.svg there, as bench/results/<machine>; workloads measured before stay',
  )

async function main(): Promise<void> {
  const { engines, workloads, rounds, threads, json, out } = command.parse().opts<Options>()
  const contenders = contendersNamed(engines)
  const chosen = workloadsNamed(workloads)
  const log = (text: string): void => console.error(text)
  const results: Result[] = []
  const failures: Failure[] = []
  const differences: string[] = []
  const machine = await probeMachine(threads)
  for (const workload of chosen) {
    log(titleOf(workload))
    const measured = await measure(workload, contenders, { threads, rounds, log })
    results.push(...measured.results)
    failures.push(...measured.failures)
    differences.push(...measured.differences)
    log(table({ machine, results: measured.results, failures: [] }))
  }
  const report: Report = {
    machine,
    commands: commandsOf(`npm run bench -- ${process.argv.slice(2).join(' ')}`.trim(), [
      ...results,
      ...failures,
    ]),
    date: new Date().toISOString().slice(0, 10),
    results,
    failures,
    differences,
  }
  const text = `${table(report)}\n\n${losses(report)}`
  if (json) process.stdout.write(`${JSON.stringify(report)}\n`)
  ;(json ? log : console.log)(text)
  if (out !== undefined) writeReport(out, report)
  if (differences.length > 0) {
    log(`\nNOT THE SAME WORK:\n${differences.join('\n')}`)
    process.exitCode = 1
  }
}

/** Writes the files of a report; workloads that were measured before and not now stay. */
function writeReport(out: string, report: Report): void {
  mkdirSync(out, { recursive: true })
  const file = path.join(out, 'results.json')
  const all = existsSync(file) ? merged(JSON.parse(readFileSync(file, 'utf8')) as Report, report) : report
  writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`)
  writeFileSync(path.join(out, 'README.md'), `${table(all)}\n\n${losses(all)}\n`)
  writeFileSync(path.join(out, 'chart.svg'), chart(all))
}

main().catch(error => {
  console.error(`bench: ${(error as Error).message}`)
  process.exitCode = 2
})
