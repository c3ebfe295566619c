/** Writes examples/reviews.csv, after `npm run build:ts`: `node scripts/sample-reviews.mjs`; the same bytes every time. */
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const { sampleCsv } = createRequire(import.meta.url)('../dist/cli/sample/reviews.js')
writeFileSync(fileURLToPath(new URL('../examples/reviews.csv', import.meta.url)), sampleCsv())
