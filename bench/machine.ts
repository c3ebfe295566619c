/** What machine this is, and how fast it can multiply and add. */
import { cpus, release } from 'node:os'
import { native } from './native'

/** What results are measured on. */
export interface Machine {
  cpu: string
  cores: number
  /** f32 fused multiply-adds at the widest instruction set on `threads` threads, two operations each, in 10⁹ a second. */
  fmaPeakGflops: number | null
  /** The same at every instruction set that has vectors. */
  fmaPeakGflopsByLevel: Record<string, number>
  simd: string
  threads: number
  system: string
  node: string
}

/** Probes this machine. */
export async function probeMachine(threads: number): Promise<Machine> {
  const levels = native().simdLevels()
  const peaks: Record<string, number> = {}
  for (const level of levels.filter(level => level !== 'scalar')) {
    peaks[level] = Number(((await native().multiplyAddPeak(level, threads)) / 1e9).toFixed(1))
  }
  const simd = levels.at(-1)!
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    fmaPeakGflops: peaks[simd] ?? null,
    fmaPeakGflopsByLevel: peaks,
    simd,
    threads,
    system: `${process.platform} ${release()} ${process.arch}`,
    node: process.version,
  }
}
