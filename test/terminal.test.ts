import { describe, expect, it } from 'vitest'
import { quoted } from '../src/shell.js'
import { loadMeasure, paint, wantsColor } from '../src/terminal.js'

describe('colours', () => {
  const cases: [wanted: boolean, terminal: boolean, env: Record<string, string>, ...args: string[]][] = [
    [true, true, {}],
    [false, false, {}],
    [false, true, { NO_COLOR: '1' }],
    [true, true, { NO_COLOR: '' }],
    [false, true, { TERM: 'dumb' }],
    [false, true, { CI: 'true' }],
    [true, false, { FORCE_COLOR: '1' }],
    [true, false, { FORCE_COLOR: '1', NO_COLOR: '1', TERM: 'dumb', CI: 'true' }],
    [false, true, { FORCE_COLOR: '0' }],
    [false, true, { FORCE_COLOR: '1' }, 'train', '--no-color'],
  ]
  it.each(cases)('are %s with terminal %s, %o and %s', (wanted, terminal, env, ...args) => {
    expect(wantsColor(args, env, terminal)).toBe(wanted)
  })

  it('are escape sequences around the text, or nothing', () => {
    expect(paint(true)('bold', 'x')).toBe('\u001b[1mx\u001b[22m')
    expect(paint(false)('bold', 'x')).toBe('x')
    expect(paint(undefined)('bold', 'x')).toBe('x')
  })
})

describe('texts in a terminal', async () => {
  const { width, cut, wrap } = await loadMeasure()

  it('take two columns for a wide character', () => {
    expect(width('abc')).toBe(3)
    expect(width('评论')).toBe(4)
    expect(width('한국어 ｆｕｌｌ')).toBe(15)
    expect(width('e\u0301')).toBe(1)
    expect(width('👍🏽')).toBe(2)
  })

  it('are cut between characters', () => {
    expect(cut('reviews.csv', 11)).toBe('reviews.csv')
    expect(cut('reviews.csv', 8)).toBe('reviews…')
    expect(cut('评论数据', 6)).toBe('评论…')
    expect(width(cut('评论数据', 6))).toBeLessThanOrEqual(6)
  })

  it('are folded between words, with an indent', () => {
    expect(wrap('name  one two three four', 13, 6)).toBe('name  one two\n      three\n      four')
    expect(wrap('评论 数据 集', 9)).toBe('评论 数据\n集')
    expect(wrap('was 98.3 %', 9)).toBe('was\n98.3 %')
  })
})

describe('words for a shell', () => {
  it('stay as they are where they can', () => {
    expect(quoted('a/b_c-1.safetensors', 'linux')).toBe('a/b_c-1.safetensors')
    expect(quoted('C:\\models\\a.safetensors', 'win32')).toBe('C:\\models\\a.safetensors')
  })

  it('are quoted where they must', () => {
    expect(quoted('my model.safetensors', 'linux')).toBe("'my model.safetensors'")
    expect(quoted("it's $HOME.csv", 'linux')).toBe("'it'\\''s $HOME.csv'")
    expect(quoted('评论.csv', 'linux')).toBe("'评论.csv'")
    expect(quoted('my model.csv', 'win32')).toBe('"my model.csv"')
    expect(quoted('-model.csv', 'linux')).toBe('./-model.csv')
  })
})
