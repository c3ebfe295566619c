/** Numbers in words. */

/** `98.3 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}

/** `1,234`. */
export function count(number: number): string {
  return number.toLocaleString('en-US')
}

/** `512 B`, `1.1 MB`: in steps of 1,000. */
export function bytes(size: number): string {
  let [value, unit] = [size, 'B']
  for (const next of ['KB', 'MB', 'GB', 'TB']) {
    if (value < 999.95) break
    ;[value, unit] = [value / 1000, next]
  }
  return `${unit === 'B' ? value : value.toFixed(1)} ${unit}`
}
