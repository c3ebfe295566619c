import { spawn } from 'node:child_process'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stderr: string
  /** The JSON of the last line printed. */
  report: { at: number; steps: number; exitCodes: number[]; waits: number[] }
  /** When the process ended. */
  at: number
}

/** Milliseconds after which a child counts as hung; it is killed, so its signal is SIGKILL. */
const HUNG = 12_000
/** Milliseconds from the end of the work to the end of the process, on a machine that may be busy. */
const SOON = 10_000

/** Runs a fixture to its end; `onOutput` is called with every part of its output. */
function run(
  args: [fixture: string, ...string[]],
  onOutput: (kill: (signal: NodeJS.Signals) => void) => void = () => {},
): Promise<Ended> {
  const [fixture, ...rest] = args
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'fixtures', fixture), ...rest])
  const timer = setTimeout(() => child.kill('SIGKILL'), HUNG)
  let stdout = ''
  let stderr = ''
  let at = 0
  child.stdout.on('data', part => {
    stdout += part
    onOutput(signal => child.kill(signal))
  })
  child.stderr.on('data', part => {
    stderr += part
  })
  child.on('exit', () => {
    at = Date.now()
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const report = JSON.parse(stdout.trim().split('\n').at(-1) || '{}') as Ended['report']
      resolve({ code, signal, stderr, report, at })
    })
  })
}

describe('a process that trains', () => {
  it('ends by itself after the training', async () => {
    expect(await run(['natural-end.cjs'])).toMatchObject({
      code: 0,
      signal: null,
      stderr: '',
      report: { steps: 10 },
    })
  })

  it('ends soon when process.exit comes in the middle of a step', async () => {
    const { at, ...ended } = await run(['mid-step.cjs', 'exit'])
    expect(ended).toMatchObject({ code: 7, signal: null, stderr: '' })
    expect(at - ended.report.at).toBeLessThan(SOON)
  })

  it('ends with an error that is thrown in the middle of a step', async () => {
    const { at, ...ended } = await run(['mid-step.cjs', 'throw'])
    expect(ended).toMatchObject({ code: 1, signal: null })
    expect(ended.stderr).toContain('Error: thrown in the middle of a step')
    expect(at - ended.report.at).toBeLessThan(SOON)
  })

  it('ends by a signal in the middle of a step', async () => {
    const { at, ...ended } = await run(['mid-step.cjs', 'wait'], kill => kill('SIGTERM'))
    expect(ended).toMatchObject({ code: null, signal: 'SIGTERM', stderr: '' })
    expect(at - ended.report.at).toBeLessThan(SOON)
  })

  it('survives that its workers are terminated at any time', async () => {
    const ended = await run(['workers.cjs'])
    expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' })
    expect(ended.report.exitCodes).toEqual(Array(8).fill(1))
    expect(ended.report.steps).toBeGreaterThan(0)
  })

  it('is not kept alive by models that were forgotten', async () => {
    const { at, ...ended } = await run(['forgotten-model.cjs'])
    expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' })
    expect(at - ended.report.at).toBeLessThan(SOON)
  })
})
