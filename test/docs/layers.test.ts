import { describe, expect, it } from 'vitest'
import { lossRefusals, refusals, withTables } from '../../scripts/tables.mjs'
import type { ArgumentParts } from '../../src/errors.js'
import { KINDS } from '../../src/model/layers/kinds.js'
import { checkLayer } from '../../src/model/layers.js'
import { checkLoss, LOSS_KINDS } from '../../src/model/losses.js'
import * as unsupported from '../../src/model/unsupported.js'
import { blocksOf, readDocument } from './blocks.js'

const text = readDocument('docs/layers.md')

/** Sections of the document by their headings. */
const sections = new Map(
  text.split(/^## /m).map((part): [string, string] => [part.slice(0, part.indexOf('\n')), part]),
)

/** Options that a layer of this kind takes, from the error of one that it does not take. */
function optionsOf(kind: string): string[] {
  try {
    checkLayer('layer', { kind, layer: { kind: 'lstm', units: 1 }, zzzzzzzzzz: 1 })
  } catch (error) {
    return (error as ArgumentParts).needs.replace('one of ', '').split(', ')
  }
  throw new Error(`${kind} took an unknown option`)
}

describe('docs/training.md', () => {
  const training = readDocument('docs/training.md')

  it('has the tables of refusals that src/model/unsupported.ts gives', () => {
    expect(training).toBe(withTables(training, lossRefusals(unsupported)))
    expect(training.match(/<!-- \w+ -->\n\|/g)).toHaveLength(2)
  })

  it.each(LOSS_KINDS)('tells of the loss %s and all its options', kind => {
    const row = training
      .split('\n')
      .find(line => line.startsWith(`| \`${kind}(`) || line.startsWith(`| \`'${kind}'`))
    expect(row).toBeDefined()
    const { kind: _, ...options } = checkLoss('loss', kind)
    expect(Object.keys(options).filter(name => !row!.includes(name))).toEqual([])
  })
})

describe('docs/layers.md', () => {
  it('has the tables of refusals that src/model/unsupported.ts gives', () => {
    expect(text).toBe(withTables(text, refusals(unsupported)))
    expect(text.match(/<!-- \w+ -->\n\|/g)).toHaveLength(4)
  })

  it.each(KINDS)('has a section on %s that shows it running', kind => {
    const section = [...sections].find(([title]) => title.split(', ').includes(kind))?.[1]
    expect(section).toBeDefined()
    const code = blocksOf('docs/layers.md').filter(({ marks }) => marks.has('run'))
    expect(code.some(block => block.code.includes(`${kind}(`) && section!.includes(block.code))).toBe(true)
  })

  it.each(KINDS)('tells every option of %s', kind => {
    const section = [...sections].find(([title]) => title.split(', ').includes(kind))![1]
    const known = `${section}${sections.get('Options of every layer')}`
    expect(optionsOf(kind).filter(name => !known.includes(`\`${name}\``))).toEqual([])
  })
})
