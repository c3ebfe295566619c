import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { reviews, temporaryFolder } from '../reviews.js'
import { asCsv, cellstateProcess } from './run.js'

const root = temporaryFolder()

function newFolder(): string {
  const folder = mkdtempSync(join(root, 'run-'))
  writeFileSync(join(folder, 'reviews.csv'), asCsv(reviews(400)))
  return folder
}

const OPTIONS = [
  'reviews.csv',
  '--label',
  'stars',
  '--positive',
  '>3',
  '--epochs',
  '30',
  '--recipe',
  'article',
]

describe('train --run', () => {
  it('keeps all of a training in a folder of its own, numbered where the name is taken', async () => {
    const cwd = newFolder()
    const start = () =>
      cellstateProcess(['train', ...OPTIONS, '--epochs', '2', '--run', 'first', '--json'], { cwd })
    const [one, two] = (await Promise.all([start(), start()])).map(({ out }) => JSON.parse(out))
    expect([one.run, two.run].sort()).toEqual(['runs/first', 'runs/first2'].map(name => join(name)))
    expect(one.sha256).toBe(two.sha256)
    const folder = join(cwd, 'runs/first')
    expect(
      readdirSync(folder)
        .map(name => name.replace(/(tfevents).*/, '$1'))
        .sort(),
    ).toEqual([
      'best.safetensors',
      'checkpoints',
      'config.json',
      'events.out.tfevents',
      'history.csv',
      'last.safetensors',
    ])
    expect(readFileSync(join(folder, 'history.csv'), 'utf8').trim().split('\n')).toHaveLength(3)
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))
    expect(config).toMatchObject({
      command: expect.stringMatching(/ train reviews\.csv .*--positive '>3' .*--run first/),
      file: 'reviews.csv',
      options: {
        epochs: 2,
        batchSize: 32,
        testSize: 0.2,
        seed: 36,
        splitSeed: 36,
        recipe: 'article',
        text: 'text',
      },
      cellstate: expect.any(String),
    })
    expect(config.options).not.toHaveProperty('out')
    const evaluated = await cellstateProcess(['evaluate', one.model, 'reviews.csv'], { cwd })
    expect(evaluated).toMatchObject({ code: 0 })
  })

  it.each(['SIGINT', 'SIGKILL'] as const)(
    'and --resume: after %s the weights in the end are the same',
    async signal => {
      const cwd = newFolder()
      const whole = await cellstateProcess(['train', ...OPTIONS, '--run', 'whole', '--json'], { cwd })
      let sent = false
      const ended = await cellstateProcess(['train', ...OPTIONS, '--run', 'ended'], {
        cwd,
        onError: (text, kill) => {
          if (sent || !/epoch=4\//.test(text)) return
          sent = true
          kill(signal)
        },
      })
      const command = /train --resume (\S+)$/m.exec(ended.err)
      if (signal === 'SIGINT') expect(command?.[1]).toBe(join('runs/ended'))
      const again = await cellstateProcess(
        ['train', '--resume', join('runs/ended'), '--threads', '1', '--json'],
        { cwd },
      )
      expect(again.err).toMatch(/run in \S+ended, goes on after step \d+/)
      const [first, second] = [JSON.parse(whole.out), JSON.parse(again.out)]
      expect(second.sha256).toBe(first.sha256)
      const rows = (name: string): string[] =>
        readFileSync(join(cwd, 'runs', name, 'history.csv'), 'utf8')
          .trim()
          .split('\n')
          .map(line => line.split(',').slice(0, 3).join(','))
      expect(rows('ended')).toEqual(rows('whole'))
    },
  )

  it('--resume takes no other options, and says what is missing', async () => {
    const cwd = newFolder()
    const fails = async (...args: string[]): Promise<string> => {
      const { code, err } = await cellstateProcess(['train', ...args], { cwd })
      expect(code).not.toBe(0)
      return err
    }
    expect(await fails('--resume', 'runs/a', '--epochs', '3')).toContain('without --epochs 3')
    expect(await fails('reviews.csv', '--resume', 'runs/a')).toContain('without reviews.csv')
    expect(await fails('--resume', 'runs/a')).toContain('config.json: no such file')
    expect(await fails()).toContain("missing required argument 'file'")
    expect(await fails('reviews.csv', '--run', '../a')).toContain('a name without folders')
  })
})
