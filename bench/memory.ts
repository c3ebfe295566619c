/** Resident memory of this process, where the system tells (Linux). */
import { readFileSync, writeFileSync } from 'node:fs'

function status(field: string): number | undefined {
  try {
    const [, kilobytes] =
      new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8')) ?? []
    return kilobytes === undefined ? undefined : 1024 * Number(kilobytes)
  } catch {
    return undefined
  }
}

/** Bytes that are resident now; the peak is counted anew from here. */
export function beginMemory(): number | undefined {
  try {
    writeFileSync('/proc/self/clear_refs', '5')
  } catch {
    return undefined
  }
  return status('VmRSS')
}

/** Most bytes that were resident since {@link beginMemory} returned `begin`, above `begin`. */
export function bytesAbove(begin: number | undefined): number | null {
  const peak = status('VmHWM')
  return begin === undefined || peak === undefined ? null : peak - begin
}
