/** Says why the native addon does not load, and what mends each cause. */
import { CellstateError, cut } from '../errors.js'
import { BUILD, LEAST_NODE, REINSTALL } from '../install.js'

/** Platforms that addon packages are meant for. */
export const PLATFORMS = [
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
  /** Version of this package, which that of the addon must have. */
  readonly version: string
  /** Version of Node.js, as `v22.1.0`. */
  readonly node: string
  /** Platforms whose addon packages are installed. */
  readonly installed: readonly string[]
  /** Whether this is a checkout, where the addon is built. */
  readonly checkout: boolean
  /** Whether the code still lies in its own package: a bundler moves it. */
  readonly packaged: boolean
  /** Whether the project's package-lock.json names the addon package; absent if there is none. */
  readonly locked?: boolean | undefined
  /** What was found but did not load: where, and the error. */
  readonly broken?: { readonly place: string; readonly cause: unknown } | undefined
  /** What was found but is not what belongs to this package: where, and what differs. */
  readonly unfit?: Unfit | undefined
}

/** An addon package of another version, or whose file has another size than its package.json says. */
export type Unfit = { readonly place: string } & (
  | { readonly version: string }
  | { readonly bytes: number; readonly expected: number }
)

/** The error for an addon that is missing, does not belong to this package or does not load. */
export function nativeMissing(search: Search): CellstateError {
  const { triple, version, node, installed, checkout, packaged, locked, broken, unfit } = search
  const packageName = `@cellstate/native-${triple}`
  const known = PLATFORMS.includes(triple)
  const error = (message: string, got: string, why: string, fix: readonly string[]): CellstateError =>
    new CellstateError('ERR_NATIVE_MISSING', message, {
      where: broken?.place ?? unfit?.place,
      got,
      needs:
        known && !checkout
          ? `${packageName} ${version}, for Node.js ${node}`
          : `the addon for ${triple} and Node.js ${node}`,
      why,
      fix,
      cause: broken?.cause,
    })
  if (unfit !== undefined) {
    const addon = `the native addon ${cut(unfit.place, 60)}`
    return 'version' in unfit
      ? error(
          `${addon} is of version ${unfit.version}, cellstate of ${version}`,
          `version ${unfit.version}`,
          'one of the two was installed without the other',
          [REINSTALL],
        )
      : error(
          `${addon} does not belong to cellstate ${version}`,
          `a file of ${unfit.bytes} bytes instead of ${unfit.expected}`,
          'the file is not complete, or was replaced',
          [REINSTALL],
        )
  }
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
  if (!known) {
    return error(none, `the platform ${triple}`, `addons can be built for ${PLATFORMS.join(', ')}`, [
      'build it from a checkout, with Rust installed: npm ci && npm run build',
    ])
  }
  if (locked === false) {
    return error(
      none,
      `a package-lock.json without ${packageName}`,
      'it was written on another system, where npm left out the packages of this one',
      [
        'remove node_modules and package-lock.json, then: npm install',
        `or leave it as it is: npm install --no-save ${packageName}@${version}`,
      ],
    )
  }
  if (installed.length > 0) {
    return error(
      none,
      `the addon for ${installed.join(', ')}`,
      'node_modules was installed on another machine, or in an image with another system',
      [REINSTALL],
    )
  }
  return error(none, `no package ${packageName}`, 'optional packages were left out (--omit=optional)', [
    'npm install --include=optional',
    `or ${REINSTALL}`,
  ])
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
  if (/loading addons is disabled|ERR_DLOPEN_DISABLED/i.test(text)) {
    return [
      'addons are not allowed in this process',
      'start Node.js with --allow-addons beside --permission',
      'and without --no-addons',
    ]
  }
  if (/napi_|NAPI|undefined symbol|NODE_MODULE_VERSION/i.test(text)) {
    return ['this Node.js is too old for it', `use Node.js ${LEAST_NODE} or newer`]
  }
  // That the file itself, which was found, "cannot be opened" is how glibc calls another processor.
  if (
    /wrong ELF class|incompatible architecture|invalid ELF header|not a valid Win32|mach-o|exec format/i.test(
      text,
    ) ||
    /cellstate\.node: cannot open shared object file: No such file/.test(text)
  ) {
    return [`it was built for another system than ${triple}, or was damaged`, REINSTALL]
  }
  if (/file too short|truncated|unexpected end/i.test(text)) {
    return ['the file is not complete', REINSTALL]
  }
  if (/EACCES|EPERM|permission denied|failed to map segment|operation not permitted/i.test(text)) {
    return [
      'the file may not be executed: its rights, or a disk mounted with noexec, forbid it',
      'allow it: chmod -R u+rX node_modules/@cellstate',
      'or install it on a disk where programs may run',
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
