import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, it } from 'vitest'

const PROGRAM = path.join(import.meta.dirname, 'fixtures/resumable.cjs')
/** How often a training is killed; `CELLSTATE_KILLS` asks for more. */
const KILLS = Number(process.env.CELLSTATE_KILLS ?? 50)

interface End {
  /** What the process printed, a line a value. */
  lines: { resumed?: number; sha256?: string; steps?: number }[]
  killed: boolean
}

function start(folder?: string): { child: ChildProcess; begun: Promise<void>; end: Promise<End> } {
  const child = spawn(process.execPath, [PROGRAM, ...(folder === undefined ? [] : [folder])], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  let begin: () => void
  const begun = new Promise<void>(resolve => {
    begin = resolve
  })
  child.stdout!.setEncoding('utf8').on('data', (part: string) => {
    text += part
    begin()
  })
  const end = new Promise<End>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      begin()
      if (code !== 0 && signal !== 'SIGKILL') reject(new Error(`it ended with ${code ?? signal}: ${text}`))
      const lines = text.split('\n').filter(line => line.endsWith('}'))
      resolve({ lines: lines.map(line => JSON.parse(line)), killed: signal === 'SIGKILL' })
    })
  })
  return { child, begun, end }
}

/** The same numbers every time: a linear congruential generator. */
function* random(): Generator<number, never> {
  for (let state = 36; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    yield state / 2 ** 32
  }
}

/** Whether a checkpoint is being written in `folder` just now. */
const writing = (folder: string): boolean => readdirSync(folder).some(name => name.endsWith('.tmp'))

it(`a training that is killed ${KILLS} times ends with the bits of one that was not`, {
  timeout: 600_000,
}, async () => {
  const whole = (await start().end).lines.at(-1)!
  expect(whole.steps).toBeGreaterThan(50)
  const folder = mkdtempSync(path.join(tmpdir(), 'cellstate-kills-'))
  const numbers = random()
  let [kills, whileWriting, ends] = [0, 0, 0]
  const resumedAt = new Set<number>()
  try {
    while (kills < KILLS) {
      const { child, begun, end } = start(folder)
      await begun
      const delay = 60 * numbers.next().value
      const until = performance.now() + delay
      // Every other kill waits for a file that is half written.
      const waits = kills % 2 === 1
      while (child.exitCode === null && (performance.now() < until || (waits && !writing(folder)))) {
        await new Promise(resolve => setImmediate(resolve))
      }
      child.kill('SIGKILL')
      const { lines, killed } = await end
      resumedAt.add(lines[0]!.resumed!)
      if (killed) {
        kills++
        if (writing(folder)) whileWriting++
        continue
      }
      expect(lines.at(-1)).toEqual(whole)
      ends++
      for (const name of readdirSync(folder)) rmSync(path.join(folder, name))
    }
    expect((await start(folder).end).lines.at(-1)).toEqual(whole)
    expect(whileWriting).toBeGreaterThan(0)
    expect(resumedAt.size).toBeGreaterThan(10)
    console.log(
      `${kills} kills, ${whileWriting} of them in a half-written file, ${ends + 1} trainings, all the same`,
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
