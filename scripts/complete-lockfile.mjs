/**
 * Adds the optional platform packages that npm left out of package-lock.json, as it does where a registry does not
 * serve another platform's binary: `npm ci` refuses a lockfile without them. Run after `npm install` changed it.
 */
import { readFileSync, writeFileSync } from 'node:fs'

const file = new URL('../package-lock.json', import.meta.url)
const lock = JSON.parse(readFileSync(file, 'utf8'))
const SYSTEMS = [
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'aix',
  'win32',
]
const PROCESSORS = ['arm64', 'arm', 'x64', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'mips64el']

for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = `${path}/node_modules/${name}`
    const top = `node_modules/${name}`
    if (lock.packages[nested] || lock.packages[top]) continue
    const words = name.split('/').at(-1).split('-')
    const os = SYSTEMS.find(system => words.includes(system))
    const cpu = PROCESSORS.find(processor => words.includes(processor))
    if (!os || !cpu) continue
    lock.packages[top] = { version, cpu: [cpu], dev: true, optional: true, os: [os] }
  }
}
const sorted = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1))
lock.packages = Object.fromEntries(sorted)
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
