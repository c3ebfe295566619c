/** Writes examples/reviews.csv: `node scripts/sample-reviews.mjs`; the same bytes every time. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import './typescript.mjs'

const { sampleCsv } = await import('../src/cli/sample/reviews.ts')
writeFileSync(fileURLToPath(new URL('../examples/reviews.csv', import.meta.url)), sampleCsv())
