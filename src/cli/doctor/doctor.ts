/** `cellstate doctor`: looks for everything that can keep the package from working, and says what mends it. */
import { createHash } from 'node:crypto'
import { open, readFile, rename, rm, statfs } from 'node:fs/promises'
import path from 'node:path'
import { closest } from '../../closest.js'
import { BUILD, LEAST_NODE, REINSTALL } from '../../install.js'
import { platformTriple, VERSION } from '../../native/load.js'
import { loadMeasure, type Measure, paint } from '../../terminal.js'
import { bytes } from '../../words.js'
import type { Streams } from '../options.js'
import { type Copy, copies } from './copies.js'
import { type Finding, findingLines, verdict } from './findings.js'
import { libc, type Memory, memory, type Processors, processors } from './machine.js'
import { runSelfTest, type SelfTest } from './run-self-test.js'

/** The document as `--json` prints it. */
export interface Diagnosis {
  /** Whether there is no fault. */
  ok: boolean
  version: string
  node: string
  platform: string
  libc: string | null
  addon: { path: string; bytes: number; sha256: string; version: string | null } | null
  simd: { levels: string[]; inUse: string | null; bf16: string | null } | null
  /** `reason`: what limits those that are available. */
  threads: { inUse: number | null; available: number | null; reason: string | null } & Processors
  memory: Memory
  /** Variables that change what the package does. */
  environment: Record<string, string>
  folder: string
  copies: Copy[]
  /** SHA-256 of the weights after the same steps, by level and number of threads. */
  selfTest: { level: string; threads: number; sha256: string }[]
  checks: Finding[]
}

const LITTLE_MEMORY = 500e6
const LITTLE_DISK = 100e6
const OWN_VARIABLES = ['CELLSTATE_SIMD', 'CELLSTATE_THREADS']
const VARIABLES = [...OWN_VARIABLES, 'CI', 'FORCE_COLOR', 'LD_PRELOAD', 'NODE_OPTIONS', 'NO_COLOR', 'TERM']
const HEADING = 13
/** What mends the package, installed or in a checkout. */
const RENEW = `${REINSTALL} (in a checkout: ${BUILD})`
const ROOT = path.join(__dirname, '..', '..', '..')

/** Diagnoses, prints, and tells whether there is no fault. */
export async function doctorCommand({ json }: { json?: boolean }, streams: Streams): Promise<boolean> {
  const diagnosis = await diagnose(process.cwd(), process.env)
  streams.signal.throwIfAborted()
  streams.out(
    json ? `${JSON.stringify(diagnosis)}\n` : diagnosisText(diagnosis, streams, await loadMeasure()),
  )
  return diagnosis.ok
}

async function diagnose(folder: string, environment: NodeJS.ProcessEnv): Promise<Diagnosis> {
  const [selfTest, allCopies, folderCheck] = await Promise.all([
    runSelfTest(),
    copies(ROOT, folder),
    checkFolder(folder),
  ])
  const addon = await addonFacts(selfTest)
  const cpus = processors()
  const ram = memory()
  const checks = [
    checkNode(process.versions),
    checkPlatform(cpus),
    checkAddon(selfTest, addon),
    checkSimd(selfTest, environment),
    checkBf16(selfTest),
    checkThreads(selfTest, cpus, environment),
    checkMemory(ram),
    checkEnvironment(environment),
    folderCheck,
    checkCopies(allCopies),
    checkSelfTest(selfTest),
  ]
  return {
    ok: checks.every(({ status }) => status !== 'fault'),
    version: VERSION,
    node: process.version,
    platform: platformTriple(),
    libc: libc(),
    addon,
    simd:
      selfTest.loaded === undefined
        ? null
        : { levels: selfTest.loaded.levels, inUse: selfTest.simd ?? null, bf16: selfTest.bf16 ?? null },
    threads: {
      inUse: selfTest.threads ?? null,
      available: selfTest.loaded?.availableThreads ?? null,
      reason: selfTest.loaded?.reason ?? null,
      ...cpus,
    },
    memory: ram,
    environment: Object.fromEntries(
      [...VARIABLES, ...strangers(environment)].flatMap(name => {
        const value = environment[name]
        return value === undefined ? [] : [[name, value]]
      }),
    ),
    folder,
    copies: allCopies,
    selfTest: selfTest.hashes,
    checks,
  }
}

async function addonFacts({ found }: SelfTest): Promise<Diagnosis['addon']> {
  if (found === undefined) return null
  const data = await readFile(found.path).catch(() => Buffer.alloc(0))
  const sha256 = createHash('sha256').update(data).digest('hex')
  return { path: found.path, bytes: data.length, sha256, version: found.packageVersion }
}

function checkNode(versions: NodeJS.ProcessVersions): Finding {
  const name = 'Node.js'
  const [major = 0, minor = 0] = versions.node.split('.').map(Number)
  const other = ['bun', 'deno', 'electron'].find(runtime => versions[runtime] !== undefined)
  const [leastMajor = 0, leastMinor = 0] = LEAST_NODE.split('.').map(Number)
  if (major < leastMajor || (major === leastMajor && minor < leastMinor)) {
    return {
      name,
      status: 'fault',
      text: `${versions.node}, needs ${LEAST_NODE} or later`,
      fix: 'install a current Node.js: https://nodejs.org',
    }
  }
  if (other !== undefined) {
    const text = `${versions.node} inside ${other} ${versions[other]}`
    return other === 'electron'
      ? { name, status: 'warning', text: `${text}: not tested there` }
      : { name, status: 'ok', text }
  }
  return { name, status: 'ok', text: versions.node }
}

function checkPlatform({ model }: Processors): Finding {
  const name = 'platform'
  const system = [process.platform, process.arch, libc()].filter(word => word !== null).join(' ')
  const text = model === null ? system : `${system}, ${model}`
  if (process.platform === 'darwin' && process.arch === 'x64' && model?.startsWith('Apple')) {
    return {
      name,
      status: 'warning',
      text: `${text}: Node.js for Intel runs in translation, several times slower (install the arm64 build)`,
    }
  }
  return { name, status: 'ok', text }
}

function checkAddon(selfTest: SelfTest, addon: Diagnosis['addon']): Finding {
  const name = 'addon'
  const file =
    addon === null ? '' : `${addon.path}, ${bytes(addon.bytes)}, sha256 ${addon.sha256.slice(0, 12)}…`
  const { loaded, failure, end } = selfTest
  if (loaded === undefined && failure !== undefined) {
    const text = [failure.message.split('\n')[0], ...(file === '' ? [] : [file])].join('; ')
    return { name, status: 'fault', text, fix: failure.fix ?? RENEW }
  }
  if (loaded === undefined) {
    const text = `loading it ends the process (${end})${file === '' ? '' : `; ${file}`}`
    return { name, status: 'fault', text, fix: RENEW }
  }
  return { name, status: 'ok', text: file }
}

function checkSimd({ loaded, simd, wrong }: SelfTest, environment: NodeJS.ProcessEnv): Finding {
  const name = 'SIMD'
  const mistake = wrong.find(message => message.startsWith('CELLSTATE_SIMD'))
  if (mistake !== undefined) {
    return { name, status: 'fault', text: mistake, fix: withVariable('CELLSTATE_SIMD', undefined) }
  }
  if (loaded === undefined || simd === undefined)
    return { name, status: 'warning', text: 'not known without the addon' }
  const text = `${simd} in use; this processor has ${loaded.levels.join(', ')}`
  const widest = loaded.levels.at(-1)
  return simd === widest
    ? { name, status: 'ok', text }
    : {
        name,
        status: 'warning',
        text: `${text}; CELLSTATE_SIMD=${environment.CELLSTATE_SIMD} makes it slower`,
      }
}

function checkBf16({ bf16 }: SelfTest): Finding {
  const name = 'bf16'
  if (bf16 === undefined) return { name, status: 'warning', text: 'not known without the addon' }
  return { name, status: 'ok', text: bf16 ?? 'none (widened: slower than f32)' }
}

function checkThreads(
  { threads, loaded, wrong }: SelfTest,
  { logical, physical, allowed, quota }: Processors,
  environment: NodeJS.ProcessEnv,
): Finding {
  const name = 'threads'
  const mistake = wrong.find(message => message.startsWith('CELLSTATE_THREADS'))
  if (mistake !== undefined) {
    return { name, status: 'fault', text: mistake, fix: withVariable('CELLSTATE_THREADS', undefined) }
  }
  const facts = [
    ...(physical === null ? [] : [`${physical} physical core${physical === 1 ? '' : 's'}`]),
    `${allowed} of ${logical} logical processors allowed`,
    quota === null ? 'no quota' : `a quota of ${Number(quota.toFixed(2))} processors`,
  ]
  if (threads === undefined)
    return { name, status: 'warning', text: `not known without the addon; ${facts.join(', ')}` }
  const variable = environment.CELLSTATE_THREADS
  const reason = variable ? undefined : loaded?.reason
  const origin = reason === undefined ? ` by CELLSTATE_THREADS=${variable}` : `: ${reason}`
  const text = `${threads} in use${origin}; ${facts.filter(fact => !reason?.includes(fact)).join(', ')}`
  const most = loaded?.availableThreads ?? allowed
  return threads > most
    ? { name, status: 'warning', text: `${text}; more than ${most} make it slower` }
    : { name, status: 'ok', text }
}

function checkMemory({ total, available, limit }: Memory): Finding {
  const text = `${bytes(available)} free of ${bytes(total)}, ${limit === null ? 'no limit' : `a limit of ${bytes(limit)}`}`
  return available < LITTLE_MEMORY
    ? { name: 'memory', status: 'warning', text: `${text}: little for training` }
    : { name: 'memory', status: 'ok', text }
}

/** Variables that look as if they were meant for this package, but are not read. */
function strangers(environment: NodeJS.ProcessEnv): string[] {
  return Object.keys(environment).filter(
    name => name.startsWith('CELLSTATE_') && !OWN_VARIABLES.includes(name),
  )
}

function checkEnvironment(environment: NodeJS.ProcessEnv): Finding {
  const name = 'environment'
  const unknown = strangers(environment)
  if (unknown.length > 0) {
    const words = unknown.map(variable => {
      const [near] = closest(variable, OWN_VARIABLES)
      return `${variable} is not read${near === undefined ? '' : `: ${near} is`}`
    })
    return { name, status: 'warning', text: words.join('; ') }
  }
  const set = VARIABLES.filter(variable => environment[variable] !== undefined)
  const text = set.map(variable => `${variable}=${environment[variable]}`).join(' ')
  return { name, status: 'ok', text: text === '' ? 'no variable changes anything' : text }
}

async function checkFolder(folder: string): Promise<Finding> {
  const name = 'folder'
  const file = path.join(folder, `.cellstate-doctor-${process.pid}`)
  try {
    const handle = await open(`${file}.partial`, 'wx')
    try {
      await handle.write('cellstate')
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(`${file}.partial`, file)
    const { bavail, bsize } = await statfs(folder)
    const text = `${folder} takes new files (write, fsync, rename), ${bytes(bavail * bsize)} free`
    return { name, status: bavail * bsize < LITTLE_DISK ? 'warning' : 'ok', text }
  } catch (error) {
    return {
      name,
      status: 'fault',
      text: `${folder} does not take new files: ${(error as Error).message}`,
      fix: 'change to a folder that is yours, or give one: cellstate train … --out <folder>/model.safetensors',
    }
  } finally {
    await Promise.all([rm(`${file}.partial`, { force: true }), rm(file, { force: true })]).catch(() => {})
  }
}

function checkCopies(all: readonly Copy[]): Finding {
  const name = 'copies'
  if (all.length <= 1) return { name, status: 'ok', text: 'one copy of the package' }
  const places = all.map(({ path: place, version }) => `${version} in ${place}`).join(', ')
  return {
    name,
    status: 'warning',
    text: `${all.length} copies: ${places}; models of one are strange to another (npm dedupe)`,
  }
}

function checkSelfTest({ loaded, hashes, at, end, failure }: SelfTest): Finding {
  const name = 'self-test'
  if (loaded === undefined) return { name, status: 'warning', text: 'not done without the addon' }
  const reference = hashes[0]?.sha256
  const wrong = hashes.find(({ sha256 }) => sha256 !== reference)
  const suspect = wrong ?? at
  const good = loaded.levels.slice(0, loaded.levels.indexOf(suspect?.level ?? '')).at(-1)
  const fix = good === undefined ? RENEW : withVariable('CELLSTATE_SIMD', good)
  if (wrong !== undefined) {
    const text = `${wrong.level} with ${wrong.threads} threads trains other weights than ${hashes[0]!.level}`
    return { name, status: 'fault', text, fix }
  }
  if (end !== undefined) {
    const place = at === undefined ? '' : ` at ${at.level} with ${at.threads} threads`
    const what = failure === undefined ? `the process ended early (${end})` : failure.message.split('\n')[0]
    return { name, status: 'fault', text: `${what}${place}`, fix }
  }
  return { name, status: 'ok', text: `same weights at ${loaded.levels.join(', ')}, with 1 and 2 threads` }
}

/** How to set or remove a variable of the environment. */
function withVariable(name: string, value: string | undefined): string {
  if (process.platform === 'win32') return `set ${name}=${value ?? ''}`
  return value === undefined ? `unset ${name}` : `export ${name}=${value}`
}

function diagnosisText({ version, checks }: Diagnosis, streams: Streams, measure: Measure): string {
  return [
    paint(streams.color?.out)('bold', `cellstate ${version}`),
    '',
    ...findingLines(checks, HEADING, streams, measure),
    '',
    verdict(checks, 'Nothing is wrong.'),
    '',
  ].join('\n')
}
