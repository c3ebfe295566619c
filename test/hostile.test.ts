import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

/** Calls of every function; `CELLSTATE_HOSTILE_CALLS=10000` for the whole promise. */
const CALLS = Number(process.env.CELLSTATE_HOSTILE_CALLS ?? 300)
const CALLS_A_CHILD = 500
const CHILDREN_AT_ONCE = 2
const CHILD = path.join(__dirname, 'hostile-child.cjs')
const run = promisify(execFile)

/** Violations that a child printed, and one more if it ended in any other way than by itself. */
async function violations(name: string, seed: number, calls: number): Promise<string[]> {
  const lines = (stdout: string): string[] => stdout.split('\n').filter(line => line !== '')
  const options = { timeout: 300_000, maxBuffer: 2 ** 28, killSignal: 'SIGKILL' } as const
  try {
    const { stdout } = await run(process.execPath, [CHILD, name, String(seed), String(calls)], options)
    const found = lines(stdout)
    const last = found.pop()
    return last?.startsWith('{"done"') ? found : [...found, `${name} ${seed}: ended early, last line ${last}`]
  } catch (error) {
    const { stdout = '', stderr = '', code, signal } = error as Record<string, string>
    return [
      ...lines(stdout),
      `${name} ${seed}: the process ended with ${signal ?? code}: ${stderr.slice(0, 2000)}`,
    ]
  }
}

test(`${CALLS} hostile calls of every function end in a result or a typed error`, {
  timeout: 120_000 + 500 * CALLS,
}, async () => {
  const { stdout } = await run(process.execPath, [CHILD, '--list'])
  const jobs = (JSON.parse(stdout) as string[]).flatMap(name =>
    Array.from({ length: Math.ceil(CALLS / CALLS_A_CHILD) }, (_, i) => ({
      name,
      seed: i * CALLS_A_CHILD,
      calls: Math.min(CALLS_A_CHILD, CALLS - i * CALLS_A_CHILD),
    })),
  )
  expect(jobs.length).toBeGreaterThan(60)
  const found: string[] = []
  const work = async (): Promise<void> => {
    for (let job = jobs.pop(); job !== undefined; job = jobs.pop()) {
      found.push(...(await violations(job.name, job.seed, job.calls)))
    }
  }
  await Promise.all(Array.from({ length: CHILDREN_AT_ONCE }, work))
  expect(found).toEqual([])
})
