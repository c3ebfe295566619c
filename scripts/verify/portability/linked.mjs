/** Platforms that cannot be run here: the addon is linked, and its processor and symbols are those that Node.js looks for. */
import { describeBinary } from '../../release/binary.mjs'
import { platforms } from '../../release/packages.mjs'
import { symbolFaults, symbolsOf } from '../symbols.mjs'
import { build } from '../toolchain.mjs'

export const title = 'platforms that do not run here: linked, symbols checked'

const chosen = platforms().filter(({ name }) => ['darwin-x64', 'darwin-arm64', 'win32-arm64'].includes(name))

export function prepare() {
  for (const { name } of chosen) build(name)
}

export async function* rows(context) {
  for (const { name, os, cpu } of chosen) {
    const file = context.addon(name)
    const binary = describeBinary(file)
    const symbols = symbolsOf(file, os)
    const faults = symbolFaults(symbols, os)
    if (binary.os !== os || binary.cpu !== cpu) faults.push(`it is for ${binary.os} on ${binary.cpu}`)
    const needs = symbols.libraries.map(library => library.split('/').at(-1)).join(', ')
    yield {
      platform: name,
      how: 'linked by zig',
      tests: 'symbols',
      result: faults.length === 0 ? 'linked, not run' : 'failed',
      note: faults.join('; ') || `${symbols.least ? `macOS ${symbols.least} or newer; ` : ''}needs ${needs}`,
    }
  }
}
