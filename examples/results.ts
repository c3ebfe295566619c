/** Files of results of the programs of this folder: written run by run, gone on with, and compared with what comes out again. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { isDeepStrictEqual } from 'node:util'

/** What stands before the runs in every file. */
export interface Heading {
  command: string
  machine: string
  date: string
}

interface Timed {
  /** Processor time. */
  seconds: number
}

/** Whether two runs are of the same settings. */
type Same<Run> = (a: Run, b: Run) => boolean

/** This machine and this day. */
export const madeHere = (): Pick<Heading, 'machine' | 'date'> => ({
  machine: `${cpus()[0]!.model.trim()}, ${availableParallelism()} cores`,
  date: new Date().toISOString().slice(0, 10),
})

/** `runs` and those that `file` has besides, in the order of the tables. */
export function joined<Run>(
  runs: readonly Run[],
  file: string,
  same: Same<Run>,
  order: (a: Run, b: Run) => number,
): Run[] {
  const earlier = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { runs: Run[] }).runs : []
  const kept = earlier.filter(run => !runs.some(other => same(run, other)))
  return [...kept, ...runs].sort(order)
}

/** Writes JSON with lists of numbers on one line. */
export function writeJson(file: string, value: object): void {
  const text = JSON.stringify(value, null, 1)
  writeFileSync(file, `${text.replace(/\n\s+(?=[\d\].])/g, ' ')}\n`)
}

/** Compares with a file, but for times and machine, and tells; the exit code is 1 where something differs. */
export function check<Run extends Timed>(
  file: string,
  { machine, date, ...heading }: Heading,
  runs: readonly Run[],
  same: Same<Run>,
  name: (run: Run) => string,
): void {
  const {
    machine: _,
    date: __,
    runs: expected,
    ...other
  } = JSON.parse(readFileSync(file, 'utf8')) as Heading & { runs: Run[] }
  const lasting = (run?: Run) => run && { ...run, seconds: 0 }
  const differing = runs
    .filter(run => !isDeepStrictEqual(lasting(run), lasting(expected.find(other => same(run, other)))))
    .map(name)
  if (!isDeepStrictEqual(heading, other)) differing.push('what stands before the runs')
  for (const what of differing) console.log(`not as in ${file}: ${what}`)
  if (differing.length > 0) process.exitCode = 1
  else console.log(`${runs.length} runs as in ${file}`)
}

/** The chosen ones of `all`. */
export function chosen<T extends string | number>(
  what: string,
  all: readonly T[],
  names: string[] = [],
): readonly T[] {
  for (const name of names) {
    if (!all.some(value => String(value) === name))
      throw new Error(`--${what} ${name}: expected ${all.join(' | ')}`)
  }
  return names.length === 0 ? all : all.filter(value => names.includes(String(value)))
}
