/**
 * Installs the peers of the benchmark into `bench/.peers/`, in the versions of `bench/peers.json`: `npm run
 * bench:install`. `npm run bench:install -- npm` or `python` installs one half.
 *
 * `PYTHON` names the Python that makes the virtual environment. Default: `python3`.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { $ } from 'zx'
import peers from './peers.json'
import { PEERS, VENV_PYTHON } from './places'

$.verbose = true

async function installNpm(): Promise<void> {
  writeFileSync(
    path.join(PEERS, 'package.json'),
    `${JSON.stringify({ private: true, dependencies: peers.npm }, null, 2)}\n`,
  )
  // Its own script downloads a build for GPUs; the one for processors is in the package.
  await $({
    cwd: PEERS,
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
  })`npm install --no-audit --no-fund`
}

async function installPython(): Promise<void> {
  const requirements = Object.entries(peers.python).map(([name, version]) => `${name}==${version}`)
  await $`${process.env.PYTHON ?? 'python3'} -m venv ${path.join(PEERS, 'venv')}`
  await $`${VENV_PYTHON} -m pip install --quiet ${requirements}`
}

const HALVES: Readonly<Record<string, () => Promise<void>>> = { npm: installNpm, python: installPython }

async function main(): Promise<void> {
  const chosen = process.argv.slice(2)
  mkdirSync(PEERS, { recursive: true })
  for (const name of chosen.length > 0 ? chosen : Object.keys(HALVES)) {
    const install = HALVES[name]
    if (install === undefined)
      throw new Error(`unknown half ${name}: one of ${Object.keys(HALVES).join(', ')}`)
    await install()
  }
}

main().catch(error => {
  console.error(String(error))
  process.exitCode = 1
})
