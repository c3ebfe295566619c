/**
 * Surroundings in which programs run: Node's permission model, flags in NODE_OPTIONS, read-only file systems, users
 * without a home, little memory, one core, CPU quotas. What needs rights that are not there is a row that says so.
 */
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { runtime } from '../cache.mjs'

export const title = 'environments'

const PLATFORM = 'linux-x64-gnu'
const MEGABYTE = 2 ** 20
const GROUPS = '/sys/fs/cgroup'
const NODE_OPTIONS = [
  '--max-old-space-size=32',
  '--disallow-code-generation-from-strings',
  '--frozen-intrinsics',
  '--disable-proto=throw',
  '--jitless',
  '--preserve-symlinks --preserve-symlinks-main',
  '--throw-deprecation --pending-deprecation',
  '--stack-size=200',
  '--enable-source-maps',
]
const root = process.getuid?.() === 0

/** A command in front of another that sets things up: `script` ends with `exec "$@"`. */
const shell = script => ['sh', '-c', script, 'sh']
/** Nothing can be written, neither here nor in /tmp; the script fails if something can. */
const READ_ONLY = [
  'unshare',
  '--mount',
  '--propagation',
  'private',
  ...shell(
    'mount -o remount,bind,ro / && ! touch ./written 2>/dev/null && ! touch /tmp/written 2>/dev/null && exec "$@"',
  ),
]
const NOBODY = ['setpriv', '--reuid=12345', '--regid=12345', '--clear-groups']

export async function* rows(context) {
  // Not in the cache, which other users may not enter.
  const folder = mkdtempSync(path.join(tmpdir(), 'cellstate-environments-'))
  try {
    await context.install(PLATFORM, folder)
    await context.run('chmod', ['-R', 'a+rX', folder])
    yield* permissions(context, folder)
    for (const options of NODE_OPTIONS) {
      // Not every flag is allowed in the variable.
      const args = /stack-size|jitless/.test(options) ? options.split(' ') : []
      const env = args.length > 0 ? {} : { NODE_OPTIONS: options }
      yield await row(context, { folder, how: options, args, env })
    }
    for (const threads of [1, 3, 64]) {
      const env = { CELLSTATE_THREADS: String(threads) }
      yield await row(context, { folder, how: `CELLSTATE_THREADS=${threads}`, env, threads })
    }
    yield await row(context, {
      folder,
      how: 'one core (taskset)',
      before: ['taskset', '-c', '0'],
      threads: 1,
    })
    yield await row(context, {
      folder,
      how: '1.5 GB of addresses (ulimit -v)',
      before: shell('ulimit -v 1500000 && exec "$@"'),
    })
    yield await row(context, { folder, how: 'no environment variables', before: ['env', '-i'] })
    yield* privileged(context, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Node's permission model needs the flag for addons and the right to read the project, and nothing else. */
async function* permissions(context, folder) {
  for (const name of ['node-20', 'node-22', 'node-24', 'node-26']) {
    const program = runtime(name)
    const model = name === 'node-20' ? '--experimental-permission' : '--permission'
    const read = `--allow-fs-read=${folder}/`
    const allowed = [model, read, '--allow-addons']
    yield await row(context, {
      folder,
      how: `${model} --allow-fs-read=. --allow-addons`,
      program,
      args: allowed,
    })
    const { stderr } = await context
      .run(program, [model, read, 'app.cjs'], { cwd: folder })
      .catch(error => error)
    const told = /ERR_NATIVE_MISSING.*addons are not allowed.*--allow-addons/s.test(stderr)
    yield {
      platform: PLATFORM,
      runtime: name.replace('node-', 'Node.js '),
      how: `${model} without --allow-addons`,
      tests: 'the message names the flag',
      result: told ? 'passed' : 'failed',
      note: told ? undefined : /CellstateError.*?\n {4}at/s.exec(stderr)?.[0],
    }
  }
}

/** What only the superuser can set up. */
async function* privileged(context, folder) {
  const cases = [
    { how: 'read-only file system, /tmp too', before: READ_ONLY },
    { how: 'a user without name and home', before: ['env', '-i', ...NOBODY] },
    { how: '128 MB of memory (cgroup)', limits: { memory: 128 * MEGABYTE } },
    { how: 'a quota of half a core (cgroup)', limits: { cores: 0.5 }, threads: 1 },
    { how: 'a quota of one core (cgroup)', limits: { cores: 1 }, threads: 1 },
    {
      how: 'as in a small function of a cloud: read-only, 128 MB, half a core, no user, no variables',
      before: [...READ_ONLY, 'env', '-i', ...NOBODY],
      limits: { memory: 128 * MEGABYTE, cores: 0.5 },
      threads: 1,
    },
  ]
  for (const { limits, before = [], ...rest } of cases) {
    if (!root) {
      yield { platform: PLATFORM, how: rest.how, result: 'not run', note: 'needs the superuser' }
      continue
    }
    const group = limits && makeGroup(limits)
    try {
      yield await row(context, { folder, before: [...(group?.enter ?? []), ...before], ...rest })
    } finally {
      group?.remove()
    }
  }
}

/**
 * A control group with limits, of either version.
 *
 * @returns {{ enter: string[], remove(): void }} `enter`: the command in front of one that runs in it.
 */
function makeGroup({ memory, cores }) {
  const period = 100_000
  const second = existsSync(path.join(GROUPS, 'cgroup.controllers'))
  const name = `cellstate-verify-${process.pid}`
  const files = {}
  if (second) {
    const folder = path.join(GROUPS, name)
    writeFileSync(path.join(GROUPS, 'cgroup.subtree_control'), '+memory +cpu')
    if (memory) files[path.join(folder, 'memory.max')] = memory
    if (cores) files[path.join(folder, 'cpu.max')] = `${cores * period} ${period}`
  } else {
    if (memory) files[path.join(GROUPS, 'memory', name, 'memory.limit_in_bytes')] = memory
    if (cores) files[path.join(GROUPS, 'cpu', name, 'cpu.cfs_quota_us')] = cores * period
  }
  const folders = [...new Set(Object.keys(files).map(file => path.dirname(file)))]
  for (const folder of folders) mkdirSync(folder, { recursive: true })
  for (const [file, value] of Object.entries(files)) writeFileSync(file, String(value))
  const enter = folders.map(folder => `echo $$ >${folder}/cgroup.procs`).join(' && ')
  return {
    enter: shell(`${enter} && exec "$@"`),
    remove: () => folders.forEach(folder => void rmdirSync(folder)),
  }
}

/** Runs app.cjs behind the command `before`. `threads`: how many must have computed. */
async function row(
  context,
  { folder, how, before = [], program = process.execPath, args = [], env = {}, threads },
) {
  const [first, ...rest] = [...before, program, ...args]
  const fields = await context
    .app({ folder, program: first, args: rest, env, threads })
    .catch(error => ({ result: 'failed', note: error.message.split('\n').slice(0, 4).join(' ') }))
  return { platform: PLATFORM, how, ...fields }
}
