import { execFile, spawn } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TextClassifier } from '../../src/tasks/text-classifier.js'
import { withHeader } from '../errors/cases.js'
import { reviews } from '../reviews.js'

const MAIN = join(import.meta.dirname, '../../dist/cli/main.js')
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'cellstate-cli-')))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Ended {
  code: number
  out: string
  err: string
}

/** The command as a process of its own, in the folder of the files. */
function cellstate(args: readonly string[]): Promise<Ended> {
  return new Promise(resolve => {
    execFile(process.execPath, [MAIN, ...args], { cwd: folder, timeout: 60_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err })
    })
  })
}

/** Names, sizes and times of everything in the folder. */
function listing(): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
  return names.map(name => {
    const { size, mtimeMs } = statSync(join(folder, name))
    return `${name} ${size} ${mtimeMs}`
  })
}

const rows = (count: number): string =>
  reviews(count)
    .map(({ text, stars }) => `"${text}",${stars}\n`)
    .join('')
const columns = ['--text', 'text', '--label', 'stars', '--positive', '>3']

beforeAll(async () => {
  const write = (name: string, content: string | Buffer): void => writeFileSync(join(folder, name), content)
  write('yelp.csv', `text,stars\n${rows(40)}`)
  write('header.csv', 'text,stars\n')
  write('empty.csv', '')
  write('gap.csv', `text,stars\n${rows(40)}fine,\n`)
  write('latin.csv', Buffer.from(`text,stars\n${rows(3000)}café,5\n`, 'latin1'))
  write('quote.csv', `text,stars\n${rows(4)}"open,5\n`)
  write('reviews.xls', 'text')
  mkdirSync(join(folder, 'models.safetensors'))
  write('locked.safetensors', 'old')
  chmodSync(join(folder, 'locked.safetensors'), 0o444)
  const classifier = await TextClassifier.train(reviews(20), {
    text: 'text',
    label: 'stars',
    positive: '>3',
    epochs: 1,
  })
  await classifier.save(join(folder, 'good.safetensors'))
  await classifier.model.save(join(folder, 'bare.safetensors'), {})
  classifier.dispose()
  const bytes = readFileSync(join(folder, 'good.safetensors'))
  write('cut.safetensors', bytes.subarray(0, bytes.length - 1000))
  write('text.safetensors', 'This is not a model.')
  write('none.safetensors', '')
  write(
    'hostile.safetensors',
    withHeader(bytes, text => text.replace(/"shape":\[\d+,128\]/, '"shape":[4000000000,4000000000]')),
  )
  write(
    'greedy.safetensors',
    withHeader(bytes, text => text.replace(/\\"units\\":128/, '\\"units\\":256')),
  )
})

const FAILURES: [string, string[], string, RegExp, RegExp?][] = [
  [
    'a missing file',
    ['train', 'yepl.csv', ...columns],
    'ERR_FILE',
    /no such file/,
    /did you mean "yelp\.csv"\?/,
  ],
  [
    'a missing validation file',
    ['train', 'yelp.csv', ...columns, '--validation', 'no.csv'],
    'ERR_FILE',
    /no\.csv/,
  ],
  ['a folder as file', ['train', 'models.csv', ...columns], 'ERR_FILE', /no such file/],
  [
    'a kind of file',
    ['train', 'reviews.xls', ...columns],
    'ERR_UNSUPPORTED',
    /reviews\.xls/,
    /mv reviews\.xls reviews\.csv/,
  ],
  [
    'a missing column',
    ['train', 'yelp.csv', '--text', 'txt'],
    'ERR_DATA',
    /yelp\.csv: there is no column "txt"/,
    /did you mean "text"\?/,
  ],
  [
    'a missing column of an evaluation',
    ['evaluate', 'good.safetensors', 'yelp.csv', '--label', 'star'],
    'ERR_DATA',
    /yelp\.csv: there is no column "star"/,
    /did you mean "stars"\?/,
  ],
  [
    'a missing column of a prediction',
    ['predict', 'good.safetensors', '--input', 'yelp.csv', '--text', 'txt', '--out', 'p.csv'],
    'ERR_DATA',
    /yelp\.csv: there is no column "txt"/,
  ],
  ['no rows', ['train', 'header.csv', ...columns], 'ERR_DATA', /header\.csv: there are no rows/],
  [
    'no rows of an evaluation',
    ['evaluate', 'good.safetensors', 'header.csv'],
    'ERR_DATA',
    /header\.csv: there are no rows/,
  ],
  ['an empty file', ['train', 'empty.csv', ...columns], 'ERR_DATA', /empty\.csv is empty/],
  ['an empty cell', ['train', 'gap.csv', ...columns], 'ERR_DATA', /gap\.csv line 42, column "stars"/],
  [
    'one class',
    ['train', 'yelp.csv', ...columns.slice(0, 4), '--positive', '>9'],
    'ERR_DATA',
    /all 40 rows have the label "negative"/,
    /--positive '>1'/,
  ],
  [
    'bytes that are not UTF-8',
    ['train', 'latin.csv', ...columns],
    'ERR_DATA',
    /latin\.csv line 3002/,
    /iconv -f WINDOWS-1252 -t UTF-8 latin\.csv/,
  ],
  [
    'bytes that are not UTF-8, late in a prediction',
    ['predict', 'good.safetensors', '--input', 'latin.csv', '--out', 'p.csv'],
    'ERR_DATA',
    /latin\.csv line 3002/,
  ],
  [
    'a quote that is never closed',
    ['train', 'quote.csv', ...columns],
    'ERR_DATA',
    /quote\.csv line 6, column "text"/,
  ],
  [
    'a missing model',
    ['predict', 'godo.safetensors', 'text'],
    'ERR_FILE',
    /godo\.safetensors: no such file/,
    /did you mean "good\.safetensors"/,
  ],
  [
    'a truncated model',
    ['evaluate', 'cut.safetensors', 'yelp.csv'],
    'ERR_MODEL_FILE',
    /its end is missing/,
    /copy or download the file again/,
  ],
  ['an empty model', ['predict', 'none.safetensors', 'text'], 'ERR_MODEL_FILE', /the file is empty/],
  ['a text as model', ['predict', 'text.safetensors', 'text'], 'ERR_MODEL_FILE', /this is not a model file/],
  [
    'a hostile model',
    ['predict', 'hostile.safetensors', 'text'],
    'ERR_MODEL_FILE',
    /tensor "embedding\.embeddings" is not valid/,
  ],
  [
    'a model that wants more than it brings',
    ['predict', 'greedy.safetensors', 'text'],
    'ERR_MODEL_FILE',
    /does not fit the configuration/,
  ],
  [
    'a model that is no classifier',
    ['predict', 'bare.safetensors', 'text'],
    'ERR_MODEL_FILE',
    /not a text classifier/,
  ],
  // Noticed before the rows are read: they would be a failure of their own.
  [
    'a missing folder for the model',
    ['train', 'gap.csv', ...columns, '--out', 'none/a.safetensors'],
    'ERR_FILE',
    /there is no such folder/,
    /mkdir -p none/,
  ],
  [
    'a folder in the way of the model',
    ['train', 'gap.csv', ...columns, '--out', 'models.safetensors'],
    'ERR_FILE',
    /a folder is there/,
    /models\.safetensors\/model\.safetensors/,
  ],
  [
    'a read-only model',
    ['train', 'gap.csv', ...columns, '--out', 'locked.safetensors'],
    'ERR_FILE',
    /read-only/,
    /chmod u\+w locked\.safetensors/,
  ],
  [
    'a file as folder of the model',
    ['train', 'gap.csv', ...columns, '--out', 'yelp.csv/a.safetensors'],
    'ERR_FILE',
    /a part of the path is a file/,
  ],
  [
    'a missing folder for predictions',
    ['predict', 'good.safetensors', '--input', 'latin.csv', '--out', 'none/p.csv'],
    'ERR_FILE',
    /there is no such folder/,
  ],
]

describe('the command line fails', () => {
  it.each(FAILURES)(
    'at %s, with place and fix, and leaves nothing behind',
    async (title, args, code, text, fix) => {
      const before = listing()
      const { code: exit, out, err } = await cellstate(args)
      const expected = title.startsWith('a missing column') ? 2 : 1
      expect({ exit, out }).toEqual({ exit: expected, out: '' })
      expect(err).toMatch(/^cellstate: /)
      expect(err.replaceAll('\n', ' ')).toContain(`[${code}]`)
      expect(err).toMatch(text)
      for (const part of [/^ {2}got {5}\S/m, /^ {2}needs {3}\S/m, /^ {2}fix {5}\S/m, fix ?? /./])
        expect(err).toMatch(part)
      const lines = err.trimEnd().split('\n')
      expect(lines.length).toBeLessThanOrEqual(12)
      expect(lines.filter(line => line.length > 100)).toEqual([])
      expect(listing()).toEqual(before)
    },
  )

  it('and says the same as JSON', async () => {
    const { code, out, err } = await cellstate(['train', 'gap.csv', ...columns, '--json'])
    expect(code).toBe(1)
    expect(err).toContain('[ERR_DATA]')
    expect(JSON.parse(out)).toEqual({
      error: {
        name: 'CellstateError',
        code: 'ERR_DATA',
        message: expect.stringContaining('gap.csv line 42'),
        where: 'gap.csv line 42, column "stars"',
        got: '""',
        needs: expect.any(String),
        fix: expect.arrayContaining([expect.any(String)]),
      },
    })
  })

  it('with 2 at a wrong option, named as it is typed', async () => {
    const before = listing()
    const { code, out, err } = await cellstate([
      'train',
      'yelp.csv',
      ...columns.slice(0, 4),
      '--positive',
      '>x',
      '--json',
    ])
    expect(code).toBe(2)
    expect(err).toMatch(/^cellstate: --positive must be .*, got ">x" \[ERR_ARGUMENT\]/)
    expect(JSON.parse(out).error).toMatchObject({
      code: 'ERR_ARGUMENT',
      where: 'options.positive',
      got: '">x"',
    })
    expect(listing()).toEqual(before)
  })

  it('with 130 at Ctrl-C in the middle of a training, and keeps what was trained beside the target', async () => {
    const before = listing()
    const args = [
      'train',
      'yelp.csv',
      ...columns,
      '--epochs',
      '1000000',
      '--progress',
      'json',
      '--out',
      'never.safetensors',
    ]
    const child = spawn(process.execPath, [MAIN, ...args], { cwd: folder })
    let err = ''
    child.stderr.on('data', (part: Buffer) => {
      const begun = err.includes('"event":"step"')
      err += part
      if (!begun && err.includes('"event":"step"')) child.kill('SIGINT')
    })
    const code = await new Promise(resolve => child.on('close', resolve))
    expect(code).toBe(130)
    expect(err).toMatch(/interrupted/)
    const kept = listing().filter(entry => !before.includes(entry))
    expect(kept).toEqual([expect.stringMatching(/^never\.interrupted\.safetensors /)])
  })
})
