/** The addon can be built for every platform of the list, and tells nothing of the machine that built it. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const PACKAGES = join(ROOT, 'npm')

const built = readdirSync(PACKAGES).filter(name => existsSync(join(PACKAGES, name, 'cellstate.node')))

describe('scripts/build-native.mjs', () => {
  it('refuses a platform that is not in the list, and names those that are', () => {
    const args = [join(ROOT, 'scripts/build-native.mjs'), '--target', 'linux-riscv64-gnu']
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    expect(status).toBe(2)
    expect(stderr).toMatch(/^there is no platform linux-riscv64-gnu, only linux-x64-gnu, .*win32-arm64\n$/)
  })

  it.each(built)('leaves no path of this machine in the addon for %s', name => {
    const addon = readFileSync(join(PACKAGES, name, 'cellstate.node'))
    const paths = [ROOT, `${homedir()}/`, '/registry/src/'].filter(text => addon.includes(text))
    expect(paths).toEqual([])
  })
})
