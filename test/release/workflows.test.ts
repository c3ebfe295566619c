/** The workflows, and what the linter says about wrong ones. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { findingsIn } from '../../scripts/lint-workflows.mjs'
import { platforms } from '../../scripts/release/packages.mjs'

const ROOT = join(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'cellstate-workflows-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const CHECKOUT = 'actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2'
const workflow = (steps: string, runner = 'ubuntu-24.04'): string =>
  `on: push\njobs:\n  job:\n    runs-on: ${runner}\n    steps:\n${steps}\n`

describe('the workflows', () => {
  it('have no findings', async () => {
    expect(await findingsIn(join(ROOT, '.github/workflows'))).toEqual([])
  })

  it('build and try every platform', () => {
    const text = readFileSync(join(ROOT, '.github/workflows/packages.yml'), 'utf8')
    const named = [...text.matchAll(/\{ platform: ([\w-]+)/g)].map(match => match[1])
    const names = platforms().map(({ name }: { name: string }) => name)
    expect(named.sort()).toEqual([...names, ...names].sort())
  })

  it.each([
    [
      'an action without a hash',
      workflow('      - uses: actions/checkout@v4 # v4.2.2'),
      /not pinned by its hash/,
    ],
    [
      'an action without its version',
      workflow(`      - uses: ${CHECKOUT.split(' ')[0]}`),
      /version of the action is not behind it/,
    ],
    ['a step that is no script', workflow('      - run: curl https://example.org'), /calls no script/],
    [
      'a script that is not there',
      workflow('      - run: node scripts/nothing.mjs'),
      /there is no scripts\/nothing/,
    ],
    ['a command that is not there', workflow('      - run: npm run nothing'), /there is no npm run nothing/],
    [
      'a runner that is not there',
      workflow('      - run: npm ci', 'ubuntu-latst'),
      /"ubuntu-latst" is unknown/,
    ],
    [
      'an expression that is not there',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is one of GitHub's.
      workflow('      - run: node bench/history.mjs ${{ github.nothing }}'),
      /"nothing" is not defined/,
    ],
  ])('are not allowed to have %s', async (name, text, finding) => {
    const place = mkdtempSync(join(folder, 'case-'))
    writeFileSync(join(place, 'case.yml'), text)
    const findings = await findingsIn(place)
    expect(findings, name).toHaveLength(1)
    expect(findings[0]).toMatch(finding)
  })
})
