/** Writes values as lines of CSV files. */

/** A line with a value a field. */
export function csvLine(values: readonly unknown[]): string {
  return `${values.map(field).join(',')}\n`
}

/** A value in full, on one line. */
function field(value: unknown): string {
  if (value === undefined || value === null) return ''
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value).replace(/[\r\n]+/g, ' ')
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** The fields of a line that {@link csvLine} wrote. */
export function csvFields(line: string): string[] {
  return Array.from(line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g), ([, quoted, plain = '']) =>
    quoted === undefined ? plain : quoted.replaceAll('""', '"'),
  )
}
