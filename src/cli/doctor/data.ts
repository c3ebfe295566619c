/** `cellstate doctor FILE`: looks through labelled texts before they are trained on. */

import { showProgress } from '../../progress/show.js'
import { checkData, type DataReport } from '../../tasks/check-data.js'
import type { TextLevel, TextRecipe } from '../../tasks/text-classifier.js'
import { loadMeasure, type Measure, paint, printable } from '../../terminal.js'
import { count } from '../../words.js'
import { given, type ReadingOptions, type Streams } from '../options.js'
import { namedRows } from '../rows.js'
import { findingLines, verdict } from './findings.js'

/** Options of the command as commander gives them. */
export interface DataCommand extends ReadingOptions {
  json?: boolean
  text: string
  label: string
  positive?: string
  validation?: string
  recipe: TextRecipe
  level: TextLevel
}

const HEADING = 16
const BAR = 30

/** Looks through a file, prints, and tells whether there is no fault. */
export async function dataCommand(file: string, options: DataCommand, streams: Streams): Promise<boolean> {
  const { signal } = streams
  const measure = await loadMeasure()
  const progress = showProgress(
    { quiet: options.json === true },
    { streams, measure, validationRows: () => 0 },
  )
  const read = (path: string) =>
    namedRows(
      path,
      { '--text': options.text, '--label': options.label },
      { signal, reading: options, progress, next: 'looking through' },
    )
  let report: DataReport
  try {
    const { text, label, recipe, level } = options
    const { positive, validation } = options
    const more = given({ positive, validation: validation === undefined ? undefined : read(validation) })
    report = await checkData(read(file), { text, label, recipe, level, signal, ...more })
  } finally {
    progress.end()
  }
  streams.out(
    options.json ? `${JSON.stringify({ file, ...report })}\n` : reportText(file, report, streams, measure),
  )
  return report.ok
}

function reportText(
  file: string,
  { findings, lengths: { histogram } }: DataReport,
  streams: Streams,
  measure: Measure,
): string {
  const most = Math.max(1, ...histogram.map(({ rows }) => rows))
  return [
    paint(streams.color?.out)('bold', printable(file)),
    '',
    ...findingLines(findings, HEADING, streams, measure),
    '',
    'steps of a text   texts',
    ...histogram.map(({ upTo, rows }) => {
      const bar = '━'.repeat(Math.round((BAR * rows) / most))
      return `up to ${String(upTo).padStart(9)} ${count(rows).padStart(7)}  ${bar}`.trimEnd()
    }),
    '',
    verdict(findings, 'Nothing keeps a model from learning this.'),
    '',
  ].join('\n')
}
