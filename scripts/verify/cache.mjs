/** What verification needs besides the development dependencies: fetched once into the cache, in pinned versions. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { integrityOf } from '../release/record.mjs'

const HERE = path.dirname(fileURLToPath(import.meta.url))
const RUNTIMES = JSON.parse(readFileSync(path.join(HERE, 'runtimes.json'), 'utf8'))

/** The folder of the cache. */
export const CACHE = path.join(
  process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'),
  'cellstate-verify',
)

/** Names of the runtimes that {@link runtime} knows and that run on x64 Linux with glibc. */
export const RUNTIME_NAMES = Object.keys(RUNTIMES).filter(name => RUNTIMES[name].platform === undefined)

/**
 * The folder `name` of the cache, which `fill` fills unless it did with this `version`. It appears whole: several
 * processes may want it at once.
 *
 * @param {string} name
 * @param {string} version what decides whether it must be filled anew.
 * @param {(folder: string) => void} fill gets the empty folder.
 */
export function once(name, version, fill) {
  const [folder, stamp] = [path.join(CACHE, name), path.join(CACHE, `${name}.stamp`)]
  if (existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === version) return folder
  console.error(`verify: getting ${name}`)
  const fresh = `${folder}.${process.pid}`
  rmSync(fresh, { recursive: true, force: true })
  mkdirSync(fresh, { recursive: true })
  try {
    fill(fresh)
    rmSync(stamp, { force: true })
    rmSync(folder, { recursive: true, force: true })
    renameSync(fresh, folder)
  } catch (cause) {
    const said = cause.stderr || cause.message
    throw new Error(`${name} cannot be had: ${said.trim().split('\n').slice(-5).join('\n')}`, { cause })
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
  writeFileSync(stamp, `${version}\n`)
  return folder
}

/** What a program prints; what it says besides is in the error if it fails. */
export const quietly = (program, args, cwd, env = process.env) =>
  execFileSync(program, args, {
    cwd,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 28,
  })

/** The folder in which the packages of tools/package.json are installed, in the versions of its lockfile. */
export function toolFolder() {
  const files = ['package.json', 'package-lock.json'].map(name => path.join(HERE, 'tools', name))
  const hash = createHash('sha256')
  for (const file of files) hash.update(readFileSync(file))
  return once('tools', hash.digest('hex'), empty => {
    for (const file of files) copyFileSync(file, path.join(empty, path.basename(file)))
    const options = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']
    quietly('npm', ['ci', ...options], empty)
  })
}

/** Absolute path of a program of one of these packages. */
export function tool(packageName, program = packageName) {
  const home = path.join(toolFolder(), 'node_modules', packageName)
  const { bin } = JSON.parse(readFileSync(path.join(home, 'package.json'), 'utf8'))
  return path.join(home, typeof bin === 'string' ? bin : bin[program])
}

/** Absolute path of a runtime of runtimes.json, as `node-22`; what was fetched must have the hash that stands there. */
export function runtime(name) {
  const { package: spec, program, integrity } = RUNTIMES[name]
  const folder = once(name, spec, empty => {
    const args = ['pack', spec, '--json', '--ignore-scripts', '--prefer-offline']
    const file = path.join(empty, JSON.parse(quietly('npm', args, empty))[0].filename)
    const got = integrityOf(readFileSync(file))
    if (got !== integrity) throw new Error(`${spec} has the hash ${got}, expected ${integrity}`)
    quietly('tar', ['-xzf', file, '--strip-components=1', `package/${program}`], empty)
    rmSync(file)
    chmodSync(path.join(empty, program), 0o755)
  })
  return path.join(folder, program)
}
