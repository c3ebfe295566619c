import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { computeSettings, native } from '../../src/native/load.js'

const fixture = path.join(import.meta.dirname, 'fixtures', 'together.cjs')

/** What a child process printed. */
async function run(args: string[], variables: Record<string, string> = {}): Promise<string> {
  const { CELLSTATE_THREADS: _, ...rest } = process.env
  const options = { env: { ...rest, ...variables }, timeout: 60_000 }
  return (await promisify(execFile)(process.execPath, args, options)).stdout
}

describe('models that train at once, in one thread and in workers', () => {
  interface Report {
    alone: string[]
    atOnce: string[]
    inWorkers: string[]
    budget: number
    most: number
  }

  it.each<Record<string, string>>([{}, { CELLSTATE_THREADS: '1' }])(
    'have the weights they have alone, and no more threads than there are (%o)',
    async variables => {
      const report = JSON.parse(await run([fixture], variables)) as Report
      expect(new Set(report.alone).size).toBe(8)
      expect(report.atOnce).toEqual(report.alone)
      expect(report.inWorkers).toEqual(report.alone.slice(0, 4))
      expect(report.most).toBeGreaterThanOrEqual(2)
      expect(report.most).toBeLessThanOrEqual(report.budget)
    },
  )

  it('leave `predict` its turn', async () => {
    const program = `
      const { startTraining, makeModel, samples } = require(${JSON.stringify(path.join(fixture, '../training.cjs'))})
      const trainings = [1, 2, 3].map(() => startTraining({ units: 64, steps: 200, epochs: 100_000 }))
      async function main() {
        const model = makeModel(8)
        const inputs = samples(20).map(sample => sample.input)
        for (let i = 0; i < 20; i++) await model.predict(inputs)
        console.log('predicted')
        process.exit()
      }
      main()`
    expect(await run(['-e', program])).toBe('predicted\n')
  })
})

describe('the number of threads', () => {
  it('comes from the option, else from the variable, else from the machine', () => {
    const before = process.env.CELLSTATE_THREADS
    try {
      delete process.env.CELLSTATE_THREADS
      expect(computeSettings({}).threads).toBe(native().availableThreads())
      process.env.CELLSTATE_THREADS = '3'
      expect(computeSettings({}).threads).toBe(3)
      expect(computeSettings({ threads: 5 }).threads).toBe(5)
      for (const wrong of ['0', '-1', '1.5', 'two', '1025']) {
        process.env.CELLSTATE_THREADS = wrong
        const message = `CELLSTATE_THREADS must be a whole number from 1 to 1024, got "${wrong}"`
        expect(() => computeSettings({})).toThrow(message)
        expect(computeSettings({ threads: 1 }).threads).toBe(1)
      }
    } finally {
      if (before === undefined) delete process.env.CELLSTATE_THREADS
      else process.env.CELLSTATE_THREADS = before
    }
  })

  it.skipIf(process.platform !== 'linux')('is that of the affinity', async () => {
    const program = `
      const { native } = require(${JSON.stringify(path.resolve(import.meta.dirname, '../../dist/native/load.js'))})
      console.log(native().availableThreads() + ': ' + native().availableThreadsReason())`
    const taskset = promisify(execFile)('taskset', ['-c', '0', process.execPath, '-e', program])
    const found = await taskset.catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (found !== undefined) expect(found.stdout).toMatch(/^1: 1 (of \d+ )?physical cores?\n$/)
  })
})
