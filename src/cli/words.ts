/** Numbers in words. */

/** `98.3 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}

/** `1,234`. */
export function count(number: number): string {
  return number.toLocaleString('en-US')
}

/** `1.1 MB`. */
export function bytes(size: number): string {
  if (size < 1024) return `${size} B`
  const units = ['KB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length, Math.floor(Math.log2(size) / 10))
  return `${(size / 1024 ** power).toFixed(1)} ${units[power - 1]}`
}
