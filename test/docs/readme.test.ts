import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { withTables } from '../../scripts/tables.mjs'
import * as cellstate from '../../src/index.js'
import { LEAST_NODE } from '../../src/install.js'
import { VERSION } from '../../src/native/load.js'
import { type Block, blocksOf, ROOT, readDocument, tableOf } from './blocks.js'

const readme = readDocument('README.md')
const blocks = blocksOf('README.md')
const words = (text: string): number =>
  text
    .replace(/^```.*?^```/gms, '')
    .split(/\s+/)
    .filter(word => /[\p{L}\p{N}]/u.test(word)).length
const fence = (block: Block): number =>
  readme
    .split('\n')
    .slice(0, block.line - 1)
    .join('\n').length

describe('README.md', () => {
  const first = blocks.find(({ language }) => language === 'ts')!

  it('says how to install after at most 60 words, and that it is not published', () => {
    const install = blocks.find(({ code }) => code === 'npm install cellstate')!
    expect(words(readme.slice(0, fence(install)))).toBeLessThanOrEqual(60)
    expect(readme.slice(0, fence(first))).toContain('not published yet')
  })

  it('gives the two command lines of a clone before the first example', () => {
    expect(
      blocks.find(({ code }) => code === 'npm ci && npm run sample\nnpm ci && npm test')!.line,
    ).toBeLessThan(first.line)
  })

  it('has its first example after at most 120 words', () => {
    expect(words(readme.slice(0, fence(first)))).toBeLessThanOrEqual(120)
  })

  it('has a first example of at most 10 lines that runs, shows its output and needs no file', () => {
    expect(first.code.split('\n').length).toBeLessThanOrEqual(10)
    expect(first.marks.has('run')).toBe(true)
    expect(first.output?.code).not.toContain('…')
    expect([...first.marks.keys()]).toEqual(['run'])
  })

  it('has the tables that docs/results/ gives', () => {
    expect(readme).toBe(withTables(readme))
    expect(readme.match(/<!-- \w+ -->\n\|/g)).toHaveLength(2)
  })

  it('shows no result without its machine, date and command', () => {
    const { runs } = JSON.parse(readFileSync(join(ROOT, 'docs/results/reviews.json'), 'utf8'))
    expect(Object.keys(runs).length).toBeGreaterThan(0)
    for (const run of Object.values(runs)) {
      expect(run).toMatchObject({
        machine: expect.stringMatching(/, \d+ cores/),
        date: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
        command: expect.stringMatching(/^(cellstate|python) /),
      })
    }
  })

  it('names three cases or more in which to use something else', () => {
    const section = /^## When not to use this\n([\s\S]*?)^## /m.exec(readme)![1]!
    expect(section.match(/^- \*\*.+?\*\*: /gm)!.length).toBeGreaterThanOrEqual(3)
  })

  it('says what the package does not do', () => {
    expect(readme).toMatch(/^## What it does not do/m)
  })

  it('names things of this package that exist beside those of others', () => {
    const rows = tableOf('README.md', ['Keras 3', 'TensorFlow.js', 'brain.js', 'cellstate'])
    const names = rows.flatMap(row => Array.from(row[3]!.matchAll(/`(\w+)`/g), match => match[1]!))
    expect(names.length).toBeGreaterThanOrEqual(rows.length)
    const known = new Set([
      ...Object.keys(cellstate),
      ...Object.getOwnPropertyNames(cellstate.Model.prototype),
    ])
    expect(names.filter(name => !known.has(name))).toEqual([])
  })
})

describe('the article', () => {
  const source = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
  const script = source('examples/article.ts')

  it('stands in README.md and docs/from-keras.md as in examples/, line breaks aside', () => {
    const packed = (code: string): string => code.replace(/\s+/g, '').replace(/,(?=[\])}])/g, '')
    const body = packed(script.replace(/^\/\*\*.*?\*\/\n/s, ''))
    for (const file of ['README.md', 'docs/from-keras.md']) {
      const found = blocksOf(file).filter(({ code }) => code.includes('recurrentDropout'))
      expect(found.map(({ code }) => packed(code))).toEqual([body])
    }
    const python = blocksOf('docs/from-keras.md').filter(({ language }) => language === 'python')
    expect(python.map(({ code }) => `${code}\n`)).toEqual([source('examples/article_keras.py')])
  })
})

describe('the least version of Node.js', () => {
  it('is the same in package.json, in the source and in the documents', () => {
    const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    expect(engines.node).toBe(`>=${LEAST_NODE}`)
    for (const file of ['README.md', 'CONTRIBUTING.md']) {
      const told = Array.from(
        readDocument(file).matchAll(/\bNode(?:\.js)? (?:≥ )?(\d+\.\d+)\b(?!\.)/g),
        m => m[1],
      )
      expect(new Set(told), file).toEqual(new Set([LEAST_NODE]))
    }
  })
})

describe('the version', () => {
  it('is the same in package.json, in the source and in every platform package', () => {
    const json = (path: string) => JSON.parse(readFileSync(join(ROOT, path), 'utf8'))
    expect(VERSION).toBe(json('package.json').version)
    expect(json('npm/linux-x64-gnu/package.json').version).toBe(VERSION)
  })
})
