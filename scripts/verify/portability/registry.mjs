/**
 * The release, rehearsed: every package is published to a registry on this machine, and a new project installs it with
 * each package manager, without installation scripts, and runs the first example of the README.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { nativeName, platforms } from '../../release/packages.mjs'
import { runtime, tool } from '../cache.mjs'
import { runFirstExample } from '../example.mjs'
import { startRegistry } from '../registry.mjs'

export const title = 'the release on a registry of its own'

const PLATFORM = 'linux-x64-gnu'
/** Lines in which npm would run something at installation. */
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall']

/**
 * How each package manager is called. `node`: arguments with which the app runs; `libc`: false if it does not look at that
 * field, and installs the addons for glibc and musl.
 */
function managers(registry) {
  const { url, userconfig } = registry
  const npm = ['npm', [`--userconfig=${userconfig}`]]
  const pnpm = [process.execPath, [tool('pnpm', 'pnpm')]]
  const classic = [process.execPath, [tool('yarn', 'yarn')]]
  const berry = [process.execPath, [tool('@yarnpkg/cli-dist', 'yarn')]]
  const berryConfig = linker =>
    [
      `npmRegistryServer: "${url}"`,
      'unsafeHttpWhitelist: ["127.0.0.1"]',
      `nodeLinker: ${linker}`,
      'enableTelemetry: false',
      'enableGlobalCache: false',
      'enableScripts: false',
      // It refuses what was published within the last days.
      'npmMinimalAgeGate: 0',
      '',
    ].join('\n')
  const npmrc = folder => `registry=${url}\nstore-dir=${folder}/.store\ncache-dir=${folder}/.cache\n`
  return [
    { how: 'npm install', call: npm, args: ['install', 'cellstate'] },
    { how: 'npm install --ignore-scripts', call: npm, args: ['install', '--ignore-scripts', 'cellstate'] },
    {
      how: 'pnpm add',
      call: pnpm,
      args: ['add', 'cellstate'],
      files: folder => ({ '.npmrc': npmrc(folder) }),
    },
    {
      how: 'yarn 1 add',
      call: classic,
      args: ['add', '--registry', url, '--no-progress', 'cellstate'],
      files: folder => ({ '.yarnrc': `cache-folder "${folder}/.cache"\n` }),
      libc: false,
    },
    {
      how: 'yarn 4 add',
      call: berry,
      args: ['add', 'cellstate'],
      files: () => ({ '.yarnrc.yml': berryConfig('node-modules'), 'yarn.lock': '' }),
    },
    {
      how: 'yarn 4 add, Plug’n’Play',
      call: berry,
      args: ['add', 'cellstate'],
      files: () => ({ '.yarnrc.yml': berryConfig('pnp'), 'yarn.lock': '' }),
      node: ['--require', './.pnp.cjs', '--loader', './.pnp.loader.mjs'],
    },
    {
      how: 'bun add',
      call: [runtime('bun'), []],
      args: ['add', 'cellstate'],
      files: folder => ({ 'bunfig.toml': `[install]\nregistry = "${url}"\ncache = "${folder}/.cache"\n` }),
      program: runtime('bun'),
    },
    {
      how: 'deno, npm:cellstate',
      call: [runtime('deno'), []],
      // It refuses packages of the last day, too.
      args: ['install', '--node-modules-dir=auto', '--minimum-dependency-age=0', 'npm:cellstate'],
      files: () => ({ '.npmrc': `registry=${url}\n` }),
      libc: false,
      program: runtime('deno'),
      node: ['run', '-A'],
    },
  ]
}

export async function* rows(context) {
  const registry = await startRegistry(context)
  try {
    for (const manager of managers(registry)) {
      // The others are tried all the same.
      yield await installWith(context, manager).catch(error => {
        context.say(error.message)
        return { platform: PLATFORM, how: manager.how, result: 'failed', note: error.message.split('\n')[0] }
      })
    }
    for (const platform of platforms().filter(({ name }) => existsSync(context.tarball(nativeName(name))))) {
      yield await choiceOf(context, registry, platform)
    }
  } finally {
    registry.stop()
  }
}

function project(context, how, files) {
  const folder = path.join(context.work, how.replace(/\W+/g, '-'))
  mkdirSync(folder)
  for (const [name, text] of Object.entries({
    'package.json': '{ "private": true }\n',
    ...files?.(folder),
  })) {
    writeFileSync(path.join(folder, name), text)
  }
  copyFileSync(path.join(context.root, 'scripts/verify/portability/app.cjs'), path.join(folder, 'app.cjs'))
  return folder
}

async function installWith(
  context,
  { how, call: [program, before], args, files, node = [], libc = true, program: runner },
) {
  const folder = project(context, how, files)
  // What a package manager knows of the user's own settings must not matter.
  const env = { ...process.env, HOME: folder, XDG_CACHE_HOME: folder, DENO_DIR: path.join(folder, '.deno') }
  const { stdout: version } = await context.run(program, [...before, '--version'], { cwd: folder, env })
  await context.run(program, [...before, ...args], { cwd: folder, env })
  const modules = path.join(folder, 'node_modules')
  const tests = ["README's example"]
  if (existsSync(modules)) {
    const scripts = scriptsIn(modules)
    if (scripts.length > 0) throw new Error(`${how}: installation scripts in ${scripts.join(', ')}`)
    tests.push('no installation scripts')
    const natives = nativesIn(modules)
    const fits = name => name === `native-${PLATFORM}` || (!libc && name === 'native-linux-x64-musl')
    if (natives.length === 0 || !natives.every(fits)) throw new Error(`${how} installs ${natives.join(', ')}`)
    if (natives.length > 1) tests.push('installs the addon for musl, too')
  }
  const fields = await context.app({ folder, program: runner ?? process.execPath, args: node })
  await runFirstExample(context, folder, runner, node)
  const tool = /[\d.]+/.exec(version)[0]
  return { platform: PLATFORM, how: `${how} (${tool})`, tests: tests.join(', '), ...fields }
}

/** Whether npm on another system would install the package of that system, and no other. */
async function choiceOf(context, { userconfig }, { name, os, cpu, libc }) {
  const folder = project(context, `choice-${name}`)
  const system = [`--os=${os}`, `--cpu=${cpu}`, ...(libc ? [`--libc=${libc}`] : [])]
  await context.run('npm', ['install', `--userconfig=${userconfig}`, ...system, 'cellstate'], { cwd: folder })
  const natives = nativesIn(path.join(folder, 'node_modules'))
  const right = natives.join() === `native-${name}`
  return {
    platform: name,
    how: `npm install ${system.join(' ')}`,
    tests: `installs ${natives.join(', ') || 'no addon'}`,
    result: right ? 'passed' : 'failed',
  }
}

/** Every package.json below node_modules, pnpm's store of a project among them. */
function manifestsIn(modules) {
  return readdirSync(modules, { recursive: true })
    .filter(name => /(^|\/)node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(`node_modules/${name}`))
    .map(name => JSON.parse(readFileSync(path.join(modules, name), 'utf8')))
}

const scriptsIn = modules =>
  manifestsIn(modules)
    .filter(({ scripts = {} }) => INSTALL_SCRIPTS.some(name => name in scripts))
    .map(({ name }) => name)

const nativesIn = modules => [
  ...new Set(
    manifestsIn(modules)
      .map(({ name }) => name)
      .filter(name => name?.startsWith('@cellstate/native-'))
      .map(name => name.slice('@cellstate/'.length)),
  ),
]
