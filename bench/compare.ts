/**
 * Compares two copies of cellstate on this machine: `npm run bench:compare -- --base <folder>`.
 *
 * The folder holds the other copy with its `dist` and addon built, as a checkout after `npm ci && npm run build`. Both take
 * turns at the same workloads, because single runs differ more than versions do. Prints a Markdown table;
 * with `--json`, the results are written too, as a line for bench/history.mjs.
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { Command } from 'commander'
import { probeMachine } from './machine'
import { measure, type Result } from './measure'
import { native } from './native'
import { ROOT } from './places'
import { comparison } from './report'
import { titleOf, workloadsNamed } from './workloads'

const { base, head, rounds, workloads, json } = new Command('npm run bench:compare --')
  .description('compares two copies of cellstate, in turn')
  .requiredOption('--base <folder>', 'the copy to compare with, built')
  .option('--head <folder>', 'the other copy, built', ROOT)
  .option('--rounds <n>', 'rounds of each', Number, 15)
  .option('--workloads <names>', 'as reviews,ragged', 'reviews,regularised,stream,single')
  .option('--json <file>', 'where the results are written')
  .parse()
  .opts<{ base: string; head: string; rounds: number; workloads: string; json?: string }>()

async function main(): Promise<void> {
  const contenders = [base, head].map(folder => ({
    engine: 'cellstate',
    variant: 'widest',
    folder: path.resolve(folder),
  }))
  const threads = native().availableThreads()
  const log = (text: string): void => console.error(text)
  const results: Result[] = []
  const problems: string[] = []
  for (const workload of workloadsNamed(workloads.split(','))) {
    log(titleOf(workload))
    const measured = await measure(workload, contenders, { threads, rounds, log })
    if (measured.results.length === contenders.length) results.push(...measured.results)
    problems.push(
      ...measured.differences,
      ...measured.failures.map(({ reason }) => `${titleOf(workload)}: ${reason}`),
    )
  }
  console.log(comparison(results))
  if (json !== undefined) {
    const kept = { date: new Date().toISOString(), machine: await probeMachine(threads), results }
    writeFileSync(json, `${JSON.stringify(kept)}\n`)
  }
  if (problems.length > 0) console.log(`\n${problems.map(problem => `- ${problem}`).join('\n')}`)
  if (results.length === 0) process.exitCode = 1
}

main().catch(error => {
  console.error(`bench: ${(error as Error).message}`)
  process.exitCode = 1
})
