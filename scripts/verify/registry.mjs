/** A package registry on this machine alone, with the packed release and its runtime dependencies in it. */
import { spawn } from 'node:child_process'
import { mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { readJson } from '../release/packages.mjs'
import { publish } from '../release/publish.mjs'
import { runtime, tool } from './cache.mjs'

/** A port that is free now. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

async function untilUp(url, child) {
  for (let tries = 0; tries < 600; tries++) {
    if (child.exitCode !== null) throw new Error(`the registry ended with ${child.exitCode}`)
    const up = await fetch(`${url}-/ping`).then(
      ({ ok }) => ok,
      () => false,
    )
    if (up) return
    await new Promise(resolve => setTimeout(resolve, 200))
  }
  throw new Error('the registry does not answer')
}

/**
 * Starts it, and publishes everything with npm as a release does.
 *
 * @returns {Promise<{ url: string, userconfig: string, stop(): void }>} `userconfig`: an .npmrc that leads to it.
 */
export async function startRegistry(context) {
  const folder = mkdtempSync(path.join(context.work, 'registry-'))
  const config = path.join(folder, 'config.yaml')
  // No uplink: what is not published here does not exist.
  const settings = {
    storage: path.join(folder, 'storage'),
    auth: { htpasswd: { file: path.join(folder, 'users'), max_users: 1 } },
    uplinks: {},
    packages: { '**': { access: '$all', publish: '$authenticated' } },
    max_body_size: '100mb',
    web: { enable: false },
    log: { type: 'stdout', format: 'pretty', level: 'error' },
  }
  writeFileSync(config, JSON.stringify(settings))
  const listen = `127.0.0.1:${await freePort()}`
  const url = `http://${listen}/`
  const child = spawn(runtime('node-22'), [tool('verdaccio'), '--config', config, '--listen', listen], {
    stdio: ['ignore', 'ignore', openSync(path.join(folder, 'log'), 'w')],
    cwd: folder,
  })
  const stop = () => child.kill()
  process.on('exit', stop)
  try {
    await untilUp(url, child)
    const user = { name: 'release', password: 'release-rehearsal' }
    const answer = await fetch(`${url}-/user/org.couchdb.user:${user.name}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(user),
    })
    const { token } = await answer.json()
    const userconfig = path.join(folder, 'npmrc')
    const lines = [
      `registry=${url}`,
      `//${listen}/:_authToken=${token}`,
      `cache=${path.join(folder, 'npm-cache')}`,
    ]
    writeFileSync(userconfig, [...lines, 'audit=false', 'fund=false', 'update-notifier=false', ''].join('\n'))
    for (const name of await packDependencies(context, folder)) {
      const args = ['publish', '--userconfig', userconfig, '--ignore-scripts', path.join(folder, name)]
      await context.run('npm', args, { cwd: folder })
    }
    const options = ['--userconfig', userconfig, '--loglevel=error']
    const published = publish(context.packed, options)
    if (published.length !== context.packed.length)
      throw new Error(`only ${published.join(', ')} could be published`)
    const again = publish(context.packed, options)
    if (again.length > 0) throw new Error(`${again.join(', ')} would be published twice`)
    await refusesOtherBytes(context, folder, options)
    return { url, userconfig, stop }
  } catch (error) {
    stop()
    error.message += `\n${readFileSync(path.join(folder, 'log'), 'utf8')}`
    throw error
  }
}

/** A version that is published stays as it is. */
async function refusesOtherBytes({ packed }, folder, options) {
  const [main, ...natives] = packed
  const file = path.join(folder, 'other.tgz')
  writeFileSync(file, 'other bytes')
  let refused = ''
  try {
    publish([{ ...main, file }, ...natives], options)
  } catch (error) {
    refused = error.message
  }
  if (!/is published with other bytes/.test(refused))
    throw new Error('a package could be published with other bytes')
}

/** The runtime dependencies, from node_modules: the lockfile says what they are. */
async function packDependencies(context, folder) {
  const modules = path.join(context.root, 'node_modules')
  const names = new Set()
  const add = manifest => {
    for (const name of Object.keys(manifest.dependencies ?? {})) {
      if (names.has(name)) continue
      names.add(name)
      add(readJson(path.join(modules, name, 'package.json')))
    }
  }
  add(readJson(path.join(context.root, 'package.json')))
  const tarballs = []
  for (const name of names) {
    const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
    const { stdout } = await context.run('npm', args, { cwd: path.join(modules, name) })
    tarballs.push(JSON.parse(stdout)[0].filename)
  }
  return tarballs
}
