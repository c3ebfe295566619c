/**
 * Causes for which the addon is missing or does not load, each provoked in an installation from a registry: the message
 * must name the package and what mends it, and doing so must mend it.
 */
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { nativeName } from '../../release/packages.mjs'
import { tool } from '../cache.mjs'
import { startRegistry } from '../registry.mjs'

export const title = 'a missing addon'

const PLATFORM = 'linux-x64-gnu'
const NAME = nativeName(PLATFORM)
const REINSTALL = 'remove node_modules and install again on this machine: npm ci'
/** Where a bundle lies: away from the project. */
const MOVED = '../moved'
const NOBODY = ['setpriv', '--reuid=12345', '--regid=12345', '--clear-groups']

/**
 * `break`: provokes it in a folder; without `fresh`, the packages are installed there. `says`: what the message must
 * contain. `mend`: does what the message says. `before`: a command in front of
 * Node.js; `mendedIn`: another folder, in which it is not needed any more; `runIn`: where app.cjs is run, if not in
 * the folder.
 */
function causes({ npm, userconfig, context }) {
  const addonOf = folder => path.join(folder, 'node_modules', NAME, 'cellstate.node')
  const reinstall = async folder => {
    rmSync(path.join(folder, 'node_modules'), { recursive: true })
    await npm(folder, 'ci')
  }
  const change = edit => folder => {
    const file = addonOf(folder)
    writeFileSync(file, edit(readFileSync(file)))
  }
  // npm 10 leaves out what the lock file lacks; npm 11 refuses it, or adds it.
  const npm10 = (folder, ...args) =>
    context.run(process.execPath, [tool('npm', 'npm'), ...args, `--userconfig=${userconfig}`], {
      cwd: folder,
    })
  // What npm wrote on another system where node_modules was there already: only the packages of that system.
  const installWithoutLocking = async folder => {
    await npm10(folder, 'install', 'cellstate')
    const file = path.join(folder, 'package-lock.json')
    const lock = JSON.parse(readFileSync(file, 'utf8'))
    delete lock.packages[`node_modules/${NAME}`]
    writeFileSync(file, JSON.stringify(lock))
    rmSync(path.join(folder, 'node_modules'), { recursive: true })
    await npm10(folder, 'ci')
  }
  return [
    {
      how: 'npm install --omit=optional',
      fresh: true,
      break: folder => npm(folder, 'install', '--omit=optional', 'cellstate'),
      says: ['optional packages were left out', 'npm install --include=optional'],
      mend: folder => npm(folder, 'install', '--include=optional'),
    },
    {
      how: 'a lock file of another system, npm 10',
      fresh: true,
      break: installWithoutLocking,
      says: ['package-lock.json without', 'remove node_modules and package-lock.json, then: npm install'],
      async mend(folder) {
        for (const name of ['node_modules', 'package-lock.json'])
          rmSync(path.join(folder, name), { recursive: true })
        await npm10(folder, 'install')
      },
    },
    {
      how: 'the same, the lock file left as it is',
      fresh: true,
      break: installWithoutLocking,
      says: [`npm install --no-save ${NAME}@`],
      mend: (folder, message) => npm10(folder, 'install', '--no-save', /--no-save (\S+)/.exec(message)[1]),
    },
    {
      how: 'node_modules of another system',
      async break(folder) {
        rmSync(path.join(folder, 'node_modules', NAME), { recursive: true })
        const other = path.join(folder, 'node_modules', nativeName('darwin-arm64'))
        mkdirSync(other)
        writeFileSync(path.join(other, 'package.json'), '{ "main": "cellstate.node" }')
      },
      says: ['the addon for darwin-arm64', REINSTALL],
      mend: reinstall,
    },
    {
      how: 'a file cut short',
      break: change(bytes => bytes.subarray(0, bytes.length / 2)),
      says: ['bytes instead of', 'not complete', REINSTALL],
      mend: reinstall,
    },
    {
      how: 'a file for another processor',
      break: change(bytes => {
        // The machine of an ELF file, here that of arm64.
        bytes.writeUInt16LE(183, 18)
        return bytes
      }),
      says: [`built for another system than ${PLATFORM}`, REINSTALL],
      mend: reinstall,
    },
    {
      how: 'a file that is no program',
      break: change(bytes => bytes.fill('no program ')),
      says: ['built for another system', REINSTALL],
      mend: reinstall,
    },
    {
      how: 'a C library that is too old (imitated)',
      break: change(needsNewerGlibc),
      says: ['the C library of this system is older than GLIBC_9.99', 'use a newer system'],
      // A newer system is one that has what the file needs.
      mend: reinstall,
    },
    {
      how: 'a file that may not be read',
      root: true,
      before: NOBODY,
      break: folder => context.run('chmod', ['000', addonOf(folder)]),
      says: ['its rights', 'chmod -R u+rX node_modules/@cellstate'],
      async mend(folder) {
        await context.run('chown', ['-R', '12345', path.join(folder, 'node_modules/@cellstate')])
        await context.run(NOBODY[0], [...NOBODY.slice(1), 'chmod', '-R', 'u+rX', 'node_modules/@cellstate'], {
          cwd: folder,
        })
      },
    },
    {
      how: 'a disk mounted with noexec',
      root: true,
      before: [
        'unshare',
        '--mount',
        '--propagation',
        'private',
        'sh',
        '-c',
        'mount --bind node_modules node_modules && mount -o remount,bind,noexec node_modules && exec "$@"',
        'sh',
      ],
      break: () => {},
      says: ['noexec', 'install it on a disk where programs may run'],
      mend(folder) {
        const place = path.join(folder, 'elsewhere')
        mkdirSync(place)
        cpSync(path.join(folder, 'node_modules'), path.join(place, 'node_modules'), { recursive: true })
        copyFileSync(path.join(folder, 'app.cjs'), path.join(place, 'app.cjs'))
      },
      mendedIn: folder => path.join(folder, 'elsewhere'),
    },
    {
      how: 'code that a bundler moved',
      break: folder => bundle(context, folder, []),
      says: ['a bundler moved it', "external: ['cellstate']"],
      // A bundle that leaves it out finds it where it is installed.
      async mend(folder) {
        await bundle(context, folder, ['--external:cellstate'])
        cpSync(path.join(folder, 'node_modules'), path.join(folder, MOVED, 'node_modules'), {
          recursive: true,
        })
      },
      runIn: folder => path.join(folder, MOVED),
    },
    {
      how: 'packages of two versions',
      break(folder) {
        const file = path.join(folder, 'node_modules', NAME, 'package.json')
        const manifest = JSON.parse(readFileSync(file, 'utf8'))
        writeFileSync(file, JSON.stringify({ ...manifest, version: '0.0.9' }))
      },
      says: ['is of version 0.0.9, cellstate of', REINSTALL],
      mend: reinstall,
    },
  ]
}

/** The newest version of glibc that a file needs, replaced by one that is not there. */
function needsNewerGlibc(bytes) {
  const text = bytes.toString('latin1')
  const versions = [...new Set(text.match(/(?<=GLIBC_)2\.\d\d(?=\0)/g))].sort()
  return Buffer.from(text.replaceAll(`GLIBC_${versions.at(-1)}\0`, 'GLIBC_9.99\0'), 'latin1')
}

async function bundle(context, folder, options) {
  const outfile = path.join(folder, MOVED, 'app.cjs')
  const args = [tool('esbuild'), 'app.cjs', '--bundle', '--platform=node', `--outfile=${outfile}`, ...options]
  await context.run(process.execPath, args, { cwd: folder })
}

export async function* rows(context) {
  const registry = await startRegistry(context)
  const npm = (folder, ...args) =>
    context.run('npm', [...args, `--userconfig=${registry.userconfig}`], { cwd: folder })
  // Not in the cache, which other users may not enter.
  const work = mkdtempSync(path.join(tmpdir(), 'cellstate-missing-'))
  try {
    await context.run('chmod', ['755', work])
    for (const cause of causes({ npm, userconfig: registry.userconfig, context })) {
      if (cause.root && process.getuid() !== 0) {
        yield { platform: PLATFORM, how: cause.how, result: 'not run', note: 'needs the superuser' }
        continue
      }
      const folder = path.join(work, cause.how.replace(/\W+/g, '-'))
      yield await provoke(context, npm, folder, cause).catch(error => {
        context.say(error.message)
        return { platform: PLATFORM, how: cause.how, result: 'failed', note: error.message.split('\n')[0] }
      })
    }
  } finally {
    registry.stop()
    rmSync(work, { recursive: true, force: true })
  }
}

async function provoke(context, npm, folder, cause) {
  mkdirSync(folder)
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n')
  copyFileSync(path.join(context.root, 'scripts/verify/portability/app.cjs'), path.join(folder, 'app.cjs'))
  if (!cause.fresh) await npm(folder, 'install', 'cellstate')
  // Another user runs some of them.
  await context.run('chmod', ['-R', 'a+rX', folder])
  await cause.break(folder)
  const call = (where, before) => {
    const [program, ...args] = [...before, process.execPath, 'app.cjs']
    return context.run(program, args, { cwd: where })
  }
  const failure = await call(cause.runIn?.(folder) ?? folder, cause.before ?? []).then(
    ({ stdout }) => ({ stderr: `it works: ${stdout}` }),
    error => error,
  )
  const message = /CellstateError \[ERR_NATIVE_MISSING\].*?(?=\n {4}at )/s.exec(failure.stderr)?.[0] ?? ''
  const plain = message.replace(/\s+/g, ' ')
  const wanted = [NAME, ...cause.says]
  const lacks = wanted.filter(text => !plain.includes(text))
  if (lacks.length > 0) {
    throw new Error(
      `${cause.how}: the message lacks "${lacks.join('", "')}"\n${message || failure.message || failure.stderr}`,
    )
  }
  await cause.mend(folder, plain)
  const { stdout } = await call(
    cause.mendedIn?.(folder) ?? folder,
    cause.mendedIn ? [] : (cause.before ?? []),
  )
  const { weights, result } = context.compare(JSON.parse(stdout))
  const tests = `the message names ${NAME} and what mends it; mended`
  return {
    platform: PLATFORM,
    runtime: `Node.js ${process.versions.node}`,
    how: cause.how,
    tests,
    weights,
    result,
  }
}
