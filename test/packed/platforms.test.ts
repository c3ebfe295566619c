/** The list of platforms, the folders of their packages, the messages and the crates speak of the same. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { VERSION } from '../../src/native/load.js'
import { PLATFORMS } from '../../src/native/missing.js'
import { ROOT } from '../docs/blocks.js'

interface Platform {
  name: string
  os: string
  cpu: string
  libc?: string
  target: string
  glibc?: string
  title: string
}

const text = (...path: string[]) => readFileSync(join(ROOT, ...path), 'utf8')
const platforms: Platform[] = JSON.parse(text('npm/platforms.json'))
const main = JSON.parse(text('package.json'))

describe('the platforms of addon packages', () => {
  const names = platforms.map(({ name }) => name)

  it('have a folder each, and there is no other', () => {
    const folders = readdirSync(join(ROOT, 'npm')).filter(name =>
      statSync(join(ROOT, 'npm', name)).isDirectory(),
    )
    expect(folders.sort()).toEqual([...names].sort())
  })

  it('are those that the error for a missing addon knows', () => {
    expect([...PLATFORMS].sort()).toEqual([...names].sort())
  })

  it('have the version of the main package, of its code and of the crates', () => {
    const crates = /^\[workspace\.package\]\nversion = "(.*)"$/m.exec(text('Cargo.toml'))?.[1]
    const packages = names.map(name => JSON.parse(text('npm', name, 'package.json')).version)
    expect(new Set([VERSION, crates, ...packages])).toEqual(new Set([main.version]))
  })

  it.each(platforms)('$name says where it runs, in its package and by its name', platform => {
    const { name, os, cpu, libc, target, glibc, title } = platform
    expect(JSON.parse(text('npm', name, 'package.json'))).toEqual({
      name: `@cellstate/native-${name}`,
      version: main.version,
      description: `The native part of cellstate for ${title}`,
      license: main.license,
      engines: main.engines,
      os: [os],
      cpu: [cpu],
      ...(libc && { libc: [libc] }),
      main: 'cellstate.node',
      files: ['cellstate.node'],
    })
    expect(text('npm', name, 'LICENSE')).toBe(text('LICENSE'))
    expect(text('npm', name, 'README.md')).toBe(
      `# @cellstate/native-${name}\n\nThe native part of \`cellstate\` for ${title}. It is installed with \`cellstate\` and is of no use alone.\n`,
    )
    const suffix = { glibc: '-gnu', musl: '-musl' }[libc ?? ''] ?? ''
    expect(name).toBe(`${os}-${cpu}${suffix}`)
    expect(libc !== undefined).toBe(os === 'linux')
    expect(glibc !== undefined).toBe(libc === 'glibc')
    expect(target.startsWith({ x64: 'x86_64-', arm64: 'aarch64-' }[cpu]!)).toBe(true)
    expect(target).toContain({ linux: '-linux', darwin: '-apple-darwin', win32: '-windows' }[os])
  })
})
