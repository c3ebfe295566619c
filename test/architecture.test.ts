import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { describe, expect, it } from 'vitest'

const SRC = resolve(import.meta.dirname, '../src')

/** Folders in the order in which data flows: none imports from a later one. */
const ORDER = [
  'errors.ts',
  'install.ts',
  'shell.ts',
  'words.ts',
  'pace.ts',
  'closest.ts',
  'checks.ts',
  'terminal.ts',
  'write-whole.ts',
  'chart',
  'text',
  'native',
  'data',
  'metrics',
  'model',
  'training',
  'progress',
  'explain',
  'tasks',
  'cli',
  'index.ts',
]

interface Import {
  from: string
  to: string
}

function imports(): Import[] {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts'))
  return files.flatMap(name => {
    const text = readFileSync(join(SRC, name), 'utf8')
    const targets = [...text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(match => match[1]!)
    return targets.map(target => ({
      from: name,
      to: relative(SRC, resolve(dirname(join(SRC, name)), target)),
    }))
  })
}

const place = (path: string): string => path.replace(/\.js$/, '.ts').split(sep)[0]!

describe('the import statements', () => {
  const all = imports()

  it('are found', () => {
    expect(all.length).toBeGreaterThan(40)
  })

  it('lead only to folders that are listed', () => {
    expect(
      all.flatMap(({ from, to }) => [place(from), place(to)]).filter(folder => !ORDER.includes(folder)),
    ).toEqual([])
  })

  it('never lead to a folder that comes later', () => {
    const wrong = all.filter(({ from, to }) => ORDER.indexOf(place(to)) > ORDER.indexOf(place(from)))
    expect(wrong.filter(({ from }) => place(from) !== 'index.ts')).toEqual([])
  })

  it('reach the addon only through src/native/load.ts', () => {
    const users = all.filter(
      ({ from, to }) =>
        to.startsWith('native/') &&
        place(from) !== 'native' &&
        !to.endsWith('load.js') &&
        !to.endsWith('binding.js'),
    )
    expect(users).toEqual([])
  })
})
