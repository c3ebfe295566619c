import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { EXAMPLES } from '../../src/cli/help.js'
import { run } from '../../src/cli/program.js'
import { reviews, temporaryFolder } from '../reviews.js'
import { asCsv, cellstate, cellstateProcess, MAIN, plainEnvironment } from './run.js'

const COMMANDS = ['demo', 'train', 'evaluate', 'predict', 'inspect', 'bench', 'doctor']
const LANGUAGE = ['train --task language', 'generate', 'fill', 'perplexity']
const folder = temporaryFolder()

async function help(program: string, ...args: string[]): Promise<string> {
  let text = ''
  const out = (part: string): void => {
    text += part
  }
  const streams = {
    out,
    err: out,
    terminal: false,
    columns: 80,
    signal: new AbortController().signal,
    program,
  }
  expect(await run(args, streams)).toBe(0)
  return text
}

describe('help', () => {
  it.each(['cellstate', 'npx cellstate'])(
    'of %s fits into 40 lines of 80 columns, examples first',
    async name => {
      for (const args of [[], ...[...COMMANDS, ...LANGUAGE].map(command => command.split(' '))]) {
        const lines = (await help(name, ...args, '--help')).trimEnd().split('\n')
        expect(lines.length, args.join()).toBeLessThanOrEqual(40)
        for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80)
        expect(lines[2]).toBe('Examples:')
        expect(lines[3]).toMatch(new RegExp(`^  ${name} ${args[0] ?? 'demo'}`))
        expect(lines.some(line => line.startsWith('Docs: '))).toBe(true)
      }
    },
  )

  it('tells what cellstate is, and three commands to copy, in at most 25 lines', async () => {
    const { code, out, err } = await cellstate([])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const lines = out.trimEnd().split('\n')
    expect(lines.length).toBeLessThanOrEqual(25)
    expect(
      lines.filter(line => /^ {2}cellstate (demo|predict demo\.|inspect demo\.)/.test(line)),
    ).toHaveLength(3)
  })

  it('is a document with --json', async () => {
    expect(JSON.parse((await cellstate(['train', '--help', '--json'])).out).help).toContain('Examples:')
  })

  it('documents the exit codes', async () => {
    const text = await help('cellstate', '--help')
    for (const code of [0, 1, 2, 4, 130, 143]) expect(text).toMatch(new RegExp(`\\b${code} \\w`))
  })

  it('of an unknown command is an error', async () => {
    expect(await cellstate(['trian', '--help'])).toMatchObject({ code: 2, out: '' })
  })

  it('loads neither the addon nor what computes', () => {
    for (const args of [
      [],
      ['--help'],
      ['train', '--help'],
      ['--version'],
      ['trian'],
      ['train', 'x.csv', '--epoch'],
    ]) {
      const script = `
        process.argv = [process.argv[0], ${JSON.stringify(MAIN)}, ...${JSON.stringify(args)}]
        process.on('exit', () => console.log('\\n' + JSON.stringify(Object.keys(require.cache))))
        require(${JSON.stringify(MAIN)})`
      const { stdout } = spawnSync(process.execPath, ['-e', script], {
        encoding: 'utf8',
        env: plainEnvironment(),
      })
      const loaded: string[] = JSON.parse(stdout.trimEnd().split('\n').at(-1)!)
      expect(
        loaded.filter(file => /\.node$|csv-parse|dist.(model|training|tasks)/.test(file)),
        args.join(),
      ).toEqual([])
      expect(loaded.length).toBeLessThan(30)
    }
  })
})

describe('the time of the help', () => {
  it('is at most 100 ms of the processor, or twice that of Node.js alone where the machine is slow', () => {
    const fastest = (...args: string[]): number =>
      Math.min(
        ...Array.from({ length: 5 }, () => {
          const script = `
            process.argv = [process.argv[0], ...${JSON.stringify(args)}]
            process.on('exit', () => console.error(process.cpuUsage().user + process.cpuUsage().system))
            ${args.length === 0 ? '' : `require(${JSON.stringify(args[0])})`}`
          const { stderr } = spawnSync(process.execPath, ['-e', script], {
            encoding: 'utf8',
            env: plainEnvironment(),
          })
          return Number(stderr) / 1000
        }),
      )
    const bare = fastest()
    for (const args of [['--help'], ['train', '--help'], []]) {
      const milliseconds = fastest(MAIN, ...args)
      expect(milliseconds, args.join()).toBeGreaterThan(bare)
      expect(milliseconds, args.join()).toBeLessThan(Math.max(100, 2 * bare))
    }
  })
})

describe('the examples of the help', () => {
  // No text comes twice: doctor would call that a fault.
  const rows = asCsv(
    reviews(60).map((row, i) => ({ ...row, text: 'table '.repeat(Math.floor(i / 8)) + row.text })),
  )
  beforeAll(() => {
    writeFileSync(join(folder, 'reviews.csv'), rows)
  })

  it('run as they stand, one after the other', { timeout: 300_000 }, async () => {
    const lines = ['train', 'evaluate', 'predict', 'inspect', 'bench', 'doctor'].flatMap(
      command => EXAMPLES[command]!,
    )
    for (const line of lines) {
      const args = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(match => match[1] ?? match[2]!)
      const { code, err } = await cellstateProcess(args, { cwd: folder })
      expect({ line, code, err: code === 0 ? '' : err }).toEqual({ line, code: 0, err: '' })
    }
    expect(readFileSync(join(folder, 'out.csv'), 'utf8').split('\n')).toHaveLength(62)
  })

  it('for language models run as they stand, one after the other', { timeout: 300_000 }, async () => {
    const cwd = join(folder, 'language')
    mkdirSync(cwd)
    const lines = [
      'ROMEO: O fair night, wherefore art thou here?',
      'JULIET: O Romeo, wherefore art thou Romeo?',
      'NURSE: Madam, the night is here, and you are fair.',
    ]
    writeFileSync(join(cwd, 'play.txt'), Array.from({ length: 60 }, (_, i) => lines[i % 3]).join('\n'))
    for (const line of LANGUAGE.flatMap(command => EXAMPLES[command]!)) {
      const args = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(match => match[1] ?? match[2]!)
      const { code, err } = await cellstateProcess(args, { cwd })
      expect({ line, code, err: code === 0 ? '' : err }).toEqual({ line, code: 0, err: '' })
    }
  })

  it('of the whole program are examples of its commands', () => {
    const known = Object.entries(EXAMPLES).flatMap(([name, lines]) => (name === 'cellstate' ? [] : lines))
    for (const line of EXAMPLES.cellstate!) expect(known).toContain(line)
  })
})

describe('the commands that cellstate alone prints', () => {
  it('work one after the other in an empty folder', async () => {
    const cwd = join(folder, 'empty')
    mkdirSync(cwd)
    const { out } = await cellstateProcess([], { cwd })
    const program = `node ${resolve(cwd, MAIN)}`
    const lines = [...out.matchAll(/^ {2}node \S+ ((demo|predict|inspect) ?.*)$/gm)].map(match => match[1]!)
    expect(
      lines.map(line => line.split(' ')[0]),
      program,
    ).toEqual(['demo', 'predict', 'inspect'])
    const results: string[] = []
    for (const line of lines) {
      const args = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(match => match[1] ?? match[2]!)
      const { code, out: result, err } = await cellstateProcess(args, { cwd })
      expect({ line, code, err: code === 0 ? '' : err }).toEqual({ line, code: 0, err: '' })
      results.push(result)
    }
    expect(results[0]).toContain('demo.safetensors has the weights')
    expect(results[1]).toMatch(/^positive 0\.\d+\n$/)
    expect(results[2]).toContain('tokenizer')
  }, 300_000)
})
