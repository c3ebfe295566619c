/** Says why the native addon does not load, and what mends each cause. */
import { CellstateError, cut } from '../errors.js'
import { BUILD, LEAST_NODE, REINSTALL } from '../install.js'

/** Platforms that addon packages are meant for. */
const PLATFORMS = [
  'darwin-arm64',
  'darwin-x64',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'linux-x64-gnu',
  'linux-x64-musl',
  'win32-arm64',
  'win32-x64',
]

/** What was found when the addon was looked for. */
export interface Search {
  /** This platform, as `linux-x64-gnu`. */
  readonly triple: string
  /** Version of Node.js, as `v22.1.0`. */
  readonly node: string
  /** Platforms whose addon packages are installed. */
  readonly installed: readonly string[]
  /** Whether this is a checkout, where the addon is built. */
  readonly checkout: boolean
  /** Whether the code still lies in its own package: a bundler moves it. */
  readonly packaged: boolean
  /** What was found but did not load: where, and the error. */
  readonly broken?: { readonly place: string; readonly cause: unknown } | undefined
}

/** The error for an addon that is missing or does not load. */
export function nativeMissing(search: Search): CellstateError {
  const { triple, node, installed, checkout, packaged, broken } = search
  const error = (message: string, got: string, why: string, fix: readonly string[]): CellstateError =>
    new CellstateError('ERR_NATIVE_MISSING', message, {
      where: broken?.place,
      got,
      needs: `the addon for ${triple} and Node.js ${node}`,
      why,
      fix,
      cause: broken?.cause,
    })
  if (broken !== undefined) {
    const text = broken.cause instanceof Error ? broken.cause.message.split('\n')[0]! : String(broken.cause)
    const [why, ...fix] = reason(text, triple)
    return error(`the native addon ${cut(broken.place, 60)} does not load`, cut(text, 160), why, fix)
  }
  const none = `there is no native addon for ${triple}`
  if (!packaged) {
    return error(none, 'code that lies outside of its package', 'a bundler moved it away from the addon', [
      "leave cellstate out of the bundle: external: ['cellstate']",
    ])
  }
  if (checkout) return error(none, 'a checkout without a build', 'it was not built yet', [BUILD])
  if (installed.length > 0) {
    return error(
      none,
      `the addon for ${installed.join(', ')}`,
      'node_modules was installed on another machine, or in an image with another system',
      [REINSTALL],
    )
  }
  if (!PLATFORMS.includes(triple)) {
    return error(none, `the platform ${triple}`, `addons can be built for ${PLATFORMS.join(', ')}`, [
      'build it from a checkout, with Rust installed: npm ci && npm run build',
    ])
  }
  return error(
    none,
    `no package @cellstate/native-${triple}`,
    'optional packages were left out (--omit=optional), or the lock file is of another platform',
    ['npm install --include=optional', `or ${REINSTALL}`],
  )
}

/** Why the loader refused, and then what mends it. */
function reason(text: string, triple: string): [string, ...string[]] {
  const library = /version `(GLIBC\w*_[\d.]+)' not found/.exec(text)?.[1]
  if (library !== undefined) {
    return [
      `the C library of this system is older than ${library}`,
      'use a newer system, for example the image node:22-bookworm',
      'or build it here, with Rust installed: npm ci && npm run build',
    ]
  }
  if (/napi_|NAPI|undefined symbol|NODE_MODULE_VERSION/i.test(text)) {
    return ['this Node.js is too old for it', `use Node.js ${LEAST_NODE} or newer`]
  }
  if (/wrong ELF class|incompatible architecture|invalid ELF header|not a valid Win32|mach-o/i.test(text)) {
    return [`it was built for another system than ${triple}, or was damaged`, REINSTALL]
  }
  if (/file too short|truncated|unexpected end/i.test(text)) {
    return ['the file is not complete', REINSTALL]
  }
  if (/EACCES|EPERM|permission denied|failed to map segment|operation not permitted/i.test(text)) {
    return [
      'the file may not be executed: its rights, or a disk mounted with noexec, forbid it',
      'install it on a disk where programs may run',
      'or allow it: chmod -R u+rx node_modules/@cellstate',
    ]
  }
  if (/cannot open shared object|image not found|module could not be found/i.test(text)) {
    return [
      'a library that it needs is not on this system',
      'install the libraries that the line above names',
    ]
  }
  return ['the system refused it', REINSTALL, `or, in a checkout: ${BUILD}`]
}
