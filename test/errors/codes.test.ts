import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { ERROR_CODES } from '../../src/errors.js'
import { CASES, type Code, failure, has, type Parts } from './cases.js'
import { emptyFolders } from './folder.js'

const ROOT = join(import.meta.dirname, '../..')
const GOLDEN = join(ROOT, 'test/golden/errors')
const CODES: readonly Code[] = ['ERR_ARGUMENT', ...ERROR_CODES]
const DOCS = readFileSync(join(ROOT, 'docs/errors.md'), 'utf8')

emptyFolders('cellstate-errors-')

const goldenName = (code: Code, name: string): string => `${code}.${name.replaceAll(' ', '-')}.txt`

/** The error as Node.js prints it, without the places in the code. */
function printed({ name, code, message }: Parts): string {
  return `${name} [${code}]: ${message.replaceAll(process.cwd(), '<folder>')}\n`
}

/** Calls of `new CellstateError(…)` in the source: place, code, and the parts that it gives. */
function thrown(): { place: string; code: string; parts: string[] }[] {
  const found: { place: string; code: string; parts: string[] }[] = []
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  for (const file of files.filter(name => name.endsWith('.ts') && !name.endsWith('.d.ts'))) {
    const source = ts.createSourceFile(file, readFileSync(join(ROOT, 'src', file), 'utf8'), 99, true)
    const visit = (node: ts.Node): void => {
      if (ts.isNewExpression(node) && node.expression.getText() === 'CellstateError') {
        const [code, , details] = node.arguments ?? []
        const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1
        const parts =
          details && ts.isObjectLiteralExpression(details)
            ? details.properties.map(part => (ts.isSpreadAssignment(part) ? '…' : part.name!.getText()))
            : []
        found.push({ place: `src/${file}:${line}`, code: code!.getText().replaceAll("'", ''), parts })
      }
      ts.forEachChild(node, visit)
    }
    visit(source)
  }
  return found
}

/** Codes in the Rust border. */
function nativeCodes(): string[] {
  const border = ['crates/node/src', 'crates/nn/src'].flatMap(part =>
    readdirSync(join(ROOT, part), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.rs'))
      .map(name => readFileSync(join(ROOT, part, name), 'utf8')),
  )
  return [...new Set(border.flatMap(text => text.match(/"ERR_[A-Z_]+"/g) ?? []))].map(code =>
    code.slice(1, -1),
  )
}

describe('the codes', () => {
  it('are those that the source throws, and no others', () => {
    const literal = thrown().map(({ code }) => code)
    const used = [...literal.filter(code => code.startsWith('ERR_')), ...nativeCodes()]
    expect(used.filter(code => !(CODES as readonly string[]).includes(code))).toEqual([])
    expect(ERROR_CODES.filter(code => !used.includes(code))).toEqual([])
    expect([...ERROR_CODES]).toEqual([...ERROR_CODES].sort())
  })

  it.each(CODES)('%s has a section in docs/errors.md with a text that is really shown', code => {
    const section = DOCS.split(/^## /m).find(part => part.startsWith(`${code}\n`)) ?? ''
    for (const part of ['What it means', 'Usual causes', 'How to mend it']) expect(section).toContain(part)
    const example = /```text\n(.*?)```/s.exec(section)?.[1]
    const golden = readdirSync(GOLDEN).filter(name => name.startsWith(`${code}.`))
    expect(golden.map(name => readFileSync(join(GOLDEN, name), 'utf8'))).toContain(example)
  })

  it('have no section for a code that there is not', () => {
    const sections = [...DOCS.matchAll(/^## (ERR_\w+)$/gm)].map(match => match[1])
    expect(sections).toEqual([...CODES].sort())
  })

  it('have a failure that is tested, each', () => {
    expect(CODES.filter(code => !CASES.some(test => test.code === code))).toEqual([])
  })

  it('have no golden text without a failure', () => {
    const expected = CASES.map(test => goldenName(test.code, test.name)).sort()
    expect(readdirSync(GOLDEN).sort()).toEqual(expected)
  })
})

describe('every error in the source', () => {
  it.each(thrown().map(call => [call.place, call] as const))(
    '%s tells got, needs and fix',
    (_, { parts }) => {
      const missing = ['got', 'needs', 'fix'].filter(part => !parts.includes(part))
      expect(parts.includes('…') ? [] : missing).toEqual([])
    },
  )
})

describe.each(CASES.map(test => [`${test.code}: ${test.name}`, test] as const))('%s', (_, test) => {
  it('shows what came, what was expected and what mends it, in twelve lines of 100 columns', async () => {
    const error = await failure(test.run)
    expect(error?.code).toBe(test.code)
    for (const part of [error!.got, error!.needs, ...error!.fix]) expect(part).toMatch(/\S/)
    expect(error!.fix.length).toBeGreaterThan(0)
    const lines = printed(error!).trimEnd().split('\n')
    expect(lines.length).toBeLessThanOrEqual(12)
    expect(lines.filter(line => line.length > 100)).toEqual([])
    await expect(printed(error!)).toMatchFileSnapshot(join(GOLDEN, goldenName(test.code, test.name)))
  })

  const tool = test.name === 'not UTF-8' ? 'iconv' : 'sh'
  it.skipIf(test.mended === undefined || !has(tool))('is mended by its own fix', async () => {
    const error = await failure(test.run)
    await test.mended!(error!)
  })
})
