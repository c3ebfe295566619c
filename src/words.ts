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

/** `1f 8b 08`. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join(' ')
}

/** `12`, `3.4k`, `184k`, `1.2M`. */
export function short(value: number): string {
  if (value < 1000) return value.toFixed(0)
  if (value < 1e6) return `${(value / 1000).toFixed(value < 10_000 ? 1 : 0)}k`
  return `${(value / 1e6).toFixed(1)}M`
}
