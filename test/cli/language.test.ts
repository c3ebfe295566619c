import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { LanguageModel } from '../../src/tasks/language-model.js'
import { temporaryFolder } from '../reviews.js'
import { cellstate, cellstateProcess } from './run.js'

const root = temporaryFolder()

const LINES = ['the cat sleeps in the house', 'the dog runs in the garden', 'the hen sits in the barn']
const TEXT = Array.from({ length: 120 }, (_, i) => LINES[(i * 7 + (i >> 2)) % 3]).join('\n')
const SMALL = ['--units', '16', '--layers', '1', '--batch-size', '4', '--steps', '16']

function newFolder(): string {
  const folder = mkdtempSync(join(root, 'language-'))
  writeFileSync(join(folder, 'play.txt'), TEXT)
  writeFileSync(
    join(folder, 'rows.csv'),
    `text,label\n${LINES.map(line => `${line},a\n`)
      .join('')
      .repeat(20)}`,
  )
  return folder
}

const train = (folder: string, ...more: string[]): string[] => [
  'train',
  join(folder, 'play.txt'),
  '--task',
  'language',
  ...SMALL,
  '--out',
  join(folder, 'play.safetensors'),
  ...more,
]

describe('train --task language', () => {
  it('trains what LanguageModel.train does, and says how good it is, as JSON and in words', async () => {
    const folder = newFolder()
    const { code, out } = await cellstate(train(folder, '--epochs', '2', '--json', '--quiet'))
    expect(code).toBe(0)
    const report = JSON.parse(out)
    const model = await LanguageModel.train(TEXT, {
      units: 16,
      layers: 1,
      batchSize: 4,
      steps: 16,
      epochs: 2,
    })
    expect(report).toMatchObject({
      task: 'language',
      level: 'character',
      epochs: 2,
      tokens: model.training!.tokens,
      vocabulary: model.tokenizer.size,
      validation: model.training!.validation,
      baseline: { order: 5 },
      sha256: await model.model.sha256(),
    })
    expect(report.verdict).toMatch(/^The LSTM foretells the text /)
    const words = await cellstate(train(folder, '--epochs', '1', '--quiet', '--test-size', '0'))
    expect(words.out).toContain('No text validated')
    expect(words.out).toContain('cellstate generate ')
  })

  it('says which of two networks it trains, and once that a file is replaced', async () => {
    const folder = newFolder()
    const args = train(folder, '--epochs', '1', '--direction', 'both')
    const { code, out } = await cellstate(args)
    expect(code).toBe(0)
    expect(out).toMatch(/\n {2}cellstate fill .* "It is ____\."\n/)
    const { err } = await cellstate(args)
    const told = err.split('\n').map(line => line.replace(/=.*/, '').replace(/.*(it will be replaced)/, '$1'))
    const [first, second] = ['beginning', 'end'].map(side => [`learning to read from the ${side}`, 'epoch'])
    expect(told).toEqual(['it will be replaced', ...first!, ...second!, ''])
  })

  it('reads rows as documents, and validates on another file', async () => {
    const folder = newFolder()
    const args = [
      'train',
      join(folder, 'rows.csv'),
      '--task=language',
      '--level',
      'word',
      ...SMALL,
      '--json',
      '--quiet',
    ]
    const more = [
      '--validation',
      join(folder, 'play.txt'),
      '--out',
      join(folder, 'rows.safetensors'),
      '--epochs',
      '1',
    ]
    const { code, out } = await cellstate([...args, ...more])
    expect(code).toBe(0)
    // Every document has an end: 20 · (6 + 6 + 6 words + 3 ends) tokens.
    expect(JSON.parse(out)).toMatchObject({ tokens: { train: 20 * (3 * 6 + 3) }, baseline: { order: 3 } })
  })

  it('keeps a run in a folder and goes on with it, without the task', async () => {
    const cwd = newFolder()
    const options = ['--task', 'language', ...SMALL, '--epochs', '3', '--quiet', '--json']
    const whole = await cellstateProcess(['train', 'play.txt', ...options, '--run', 'whole'], { cwd })
    const { sha256 } = JSON.parse(whole.out)
    const folder = join(cwd, 'runs/whole')
    expect(readdirSync(folder)).toContain('last.safetensors')
    const [first] = readdirSync(join(folder, 'checkpoints')).sort()
    const kept = join(cwd, 'runs/whole/checkpoints')
    for (const name of readdirSync(kept)) if (name !== first) rmSync(join(kept, name))
    const resumed = await cellstateProcess(['train', '--resume', 'runs/whole', '--quiet', '--json'], { cwd })
    expect(JSON.parse(resumed.out)).toMatchObject({ task: 'language', epochs: 3, sha256 })
    const both = await cellstate(train(cwd, '--run', 'both', '--direction', 'both'))
    expect(both).toMatchObject({ code: 2, out: '' })
  }, 60_000)

  it('keeps what was trained at Ctrl-C', { timeout: 60_000 }, async () => {
    const cwd = newFolder()
    const args = [
      'train',
      'play.txt',
      '--task',
      'language',
      ...SMALL,
      '--epochs',
      '100000',
      '--progress',
      'plain',
    ]
    let killed = false
    const { code, err } = await cellstateProcess([...args, '--out', 'a.safetensors'], {
      cwd,
      onError: (text, kill) => {
        if (!killed && text.includes('epoch=2/')) kill('SIGINT')
        killed ||= text.includes('epoch=2/')
      },
    })
    expect(code).toBe(130)
    expect(err).toContain('a.interrupted.safetensors')
    expect(existsSync(join(cwd, 'a.safetensors'))).toBe(false)
    const language = await LanguageModel.load(join(cwd, 'a.interrupted.safetensors'))
    expect(language.card!.stopped).toBe(true)

    killed = false
    const run = await cellstateProcess([...args, '--run', 'stopped'], {
      cwd,
      onError: (text, kill) => {
        if (!killed && text.includes('epoch=2/')) kill('SIGINT')
        killed ||= text.includes('epoch=2/')
      },
    })
    expect(run.code).toBe(130)
    expect(run.err).toMatch(/kept +runs\/stopped\/checkpoints\/step-\d+\.safetensors/)
    expect(run.err).toMatch(/next +.* train --resume runs\/stopped/)
  })

  it.each([
    [['--level', 'letter'], /Allowed choices are character, byte, word, bpe/],
    [['--dropout', '1'], /from 0 to below 1/],
    [['--label', 'a'], /unknown option '--label'/],
    [['--task', 'speech'], /Allowed choices are classify, language/],
    [['--out', 'a.bin'], /must end in \.safetensors/],
  ])('refuses %o', async (args, message) => {
    const { code, err } = await cellstate(train(newFolder(), ...args))
    expect(code).toBe(2)
    expect(err.replaceAll('\n', ' ')).toMatch(message)
  })
})

describe('commands for language models', () => {
  const folder = newFolder()
  const file = join(folder, 'play.safetensors')
  const made = cellstate(
    train(
      folder,
      '--level',
      'word',
      '--epochs',
      '30',
      '--learning-rate',
      '0.02',
      '--direction',
      'both',
      '--quiet',
    ),
  )

  it('generate writes the prompt and what follows, as it comes or as one document', async () => {
    await made
    const language = await LanguageModel.load(file)
    const options = { length: 5, temperature: 0.8, topP: 0.9, seed: 3 }
    const text = await language.generate('the cat', options).text()
    const typed = ['--length', '5', '--temperature', '0.8', '--top-p', '0.9', '--seed', '3']
    const plain = await cellstate(['generate', file, '--prompt', 'the cat', ...typed])
    expect(plain).toEqual({ code: 0, out: `the cat${text}\n`, err: '' })
    const { out } = await cellstate(['generate', file, '--prompt', 'the cat', ...typed, '--json'])
    expect(JSON.parse(out)).toMatchObject({ prompt: 'the cat', text, seed: 3 })
    const stopped = await cellstate([
      'generate',
      file,
      '--prompt',
      'the cat',
      '--temperature',
      '0',
      '--stop',
      ' in',
    ])
    expect(stopped.out).toBe('the cat sleeps\n')
    const beams = await cellstate(['generate', file, '--prompt', 'the cat', '--beams', '3', '--length', '2'])
    expect(beams).toEqual({ code: 0, out: 'the cat sleeps in\n', err: '' })
    expect(await cellstate(['generate', file, '--beams', '3', '--top-k', '2'])).toMatchObject({ code: 2 })
    expect((await cellstate(['generate', file, '--length', '0', '--prompt', 'x'])).out).toBe('x\n')
  })

  it('generate ends at Ctrl-C with what is written', async () => {
    await made
    const controller = new AbortController()
    const parts: string[] = []
    const out = (part: string): void => {
      if (parts.push(part) === 5) controller.abort()
    }
    const { code } = await cellstate(['generate', file, '--length', '1000000'], controller.signal, { out })
    expect(code).toBe(130)
    expect(parts.length).toBeLessThan(100_000)
  })

  it('fill shows the text and the words of every blank', async () => {
    await made
    const { code, out } = await cellstate(['fill', file, 'the ____ sleeps in the ____', '--top', '2'])
    expect(code).toBe(0)
    expect(out).toMatch(/^the cat sleeps in the house\n\n {2}cat +\d/)
    const args = ['fill', file, 'the ____ runs', 'a ____', '--candidates', 'cat,dog, hen', '--json']
    const filled = JSON.parse((await cellstate(args)).out)
    expect(filled).toHaveLength(2)
    expect(filled[0].text).toBe('the dog runs')
    expect(await cellstate(['fill', file, 'no blank'])).toMatchObject({ code: 2 })
  })

  it('perplexity and evaluate measure a text', async () => {
    await made
    const args = [file, join(folder, 'play.txt'), '--json']
    const measured = JSON.parse((await cellstate(['perplexity', ...args])).out)
    const language = await LanguageModel.load(file)
    expect(measured).toMatchObject({ task: 'language', ...(await language.perplexity(TEXT)) })
    const {
      seconds: _,
      tokensPerSecond: __,
      ...rest
    } = JSON.parse((await cellstate(['evaluate', ...args])).out)
    expect(measured).toMatchObject(rest)
    expect((await cellstate(['perplexity', ...args.slice(0, 2)])).out).toMatch(/^perplexity \d/)
    writeFileSync(join(folder, 'none.txt'), '')
    expect(await cellstate(['perplexity', file, join(folder, 'none.txt')])).toMatchObject({ code: 1 })
  })

  it('inspect shows what it is', async () => {
    await made
    const { out } = await cellstate(['inspect', file])
    expect(out).toMatch(/training +language model, recipe default, by word, in both directions; /)
    expect(out).toMatch(/tokenizer +\d+ words/)
    const inspection = JSON.parse((await cellstate(['inspect', file, '--json'])).out)
    expect(inspection).toMatchObject({
      labels: null,
      card: { task: 'language' },
      tokenizer: { kind: 'word' },
    })
    const predicted = await cellstate(['predict', file, 'the cat'])
    expect(predicted.err.replaceAll('\n', ' ')).toContain('this is a language model, not a text classifier')
    expect(predicted.err).toContain('`cellstate generate`')
    expect(readFileSync(file).length).toBe(inspection.bytes)
  })
})
