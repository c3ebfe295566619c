/** Facts about the machine, read without the addon. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { glibcVersion } from '../../native/load.js'

/** Processors that this process may use, and why no more. */
export interface Processors {
  model: string | null
  /** Logical processors of the machine. */
  logical: number
  /** Physical cores; `null` where the system does not tell. */
  physical: number | null
  /** Logical processors that the affinity of the process allows. */
  allowed: number
  /** Processors' worth of time that the control group grants; `null`: no limit. */
  quota: number | null
}

/** Memory in bytes. */
export interface Memory {
  total: number
  available: number
  /** Limit of the control group; `null`: none. */
  limit: number | null
}

const CGROUP = '/sys/fs/cgroup'

/** Name and version of the C library; `null` where there is none to tell. */
export function libc(): string | null {
  if (process.platform !== 'linux') return null
  const version = glibcVersion()
  return version === undefined ? 'musl' : `glibc ${version}`
}

export function processors(): Processors {
  const cpus = os.cpus()
  return {
    model: cpus[0]?.model.trim() || null,
    logical: cpus.length,
    physical: physicalCores(),
    allowed: affinity() ?? os.availableParallelism(),
    quota: cpuQuota(),
  }
}

export function memory(): Memory {
  const total = os.totalmem()
  const limit = process.constrainedMemory()
  return {
    total,
    available: process.availableMemory?.() ?? os.freemem(),
    limit: limit > 0 && limit < total ? limit : null,
  }
}

function physicalCores(): number | null {
  const root = '/sys/devices/system/cpu'
  try {
    const siblings = readdirSync(root)
      .filter(name => /^cpu\d+$/.test(name))
      .map(name => read(path.join(root, name, 'topology/thread_siblings_list')))
    const cores = new Set(siblings.filter(text => text !== undefined))
    return cores.size === 0 ? null : cores.size
  } catch {
    return null
  }
}

/** How many processors are in `Cpus_allowed_list: 0-3,8`. */
function affinity(): number | null {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(read('/proc/self/status') ?? '')?.[1]
  if (list === undefined) return null
  return list.split(',').reduce((sum, range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return sum + last - first + 1
  }, 0)
}

/** The smallest quota of the control group of this process and those above it. */
function cpuQuota(): number | null {
  const own = read('/proc/self/cgroup')
  if (own === undefined) return null
  const quotas: number[] = []
  for (const line of own.trim().split('\n')) {
    const [, controllers = '', group = ''] = line.split(':')
    const second = controllers === ''
    if (!second && !controllers.split(',').includes('cpu')) continue
    const root = second ? CGROUP : path.join(CGROUP, controllers)
    for (const folder of [...upwards(path.join(root, group), root), root]) {
      const [quota, period] = second
        ? (read(path.join(folder, 'cpu.max'))?.split(' ') ?? [])
        : [read(path.join(folder, 'cpu.cfs_quota_us')), read(path.join(folder, 'cpu.cfs_period_us'))]
      const share = Number(quota) / Number(period)
      if (Number.isFinite(share) && share > 0) quotas.push(share)
    }
  }
  return quotas.length === 0 ? null : Math.min(...quotas)
}

function* upwards(from: string, root: string): Generator<string> {
  for (let folder = from; folder.startsWith(root) && folder !== root; folder = path.dirname(folder)) {
    if (existsSync(folder)) yield folder
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
