/** Runs code of the documents as a reader would: in an empty folder in which `cellstate` is installed. */
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import ts from 'typescript'
import { type Block, ROOT } from './blocks.js'

const run = promisify(execFile)
const MOST_MILLISECONDS = 120_000

/** What a program printed. */
export interface Printed {
  out: string
  err: string
}

/** A new folder; `cellstate` in it is the build of this repository. Whoever asks for it removes it. */
export function installedFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cellstate-docs-'))
  mkdirSync(join(folder, 'node_modules/@types'), { recursive: true })
  mkdirSync(join(folder, 'node_modules/.bin'))
  symlinkSync(ROOT, join(folder, 'node_modules/cellstate'), 'junction')
  symlinkSync(join(ROOT, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'), 'junction')
  symlinkSync(join(ROOT, 'dist/cli/main.js'), join(folder, 'node_modules/.bin/cellstate'))
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
  return folder
}

/** Commands that the command line has. */
export function commands(): Set<string> {
  const help = execFileSync(process.execPath, [join(ROOT, 'dist/cli/main.js'), '--help'], {
    encoding: 'utf8',
  })
  const list = help.slice(help.indexOf('Commands:'))
  return new Set(Array.from(list.matchAll(/^ {2}(\w+)/gm), match => match[1]!))
}

/** TypeScript blocks as modules: what the compiler says of each, and the JavaScript. */
export function compile(blocks: readonly Block[]): Map<Block, { errors: string[]; code: string }> {
  const folder = installedFolder()
  const files = blocks.map((block, i) => {
    const path = join(folder, `block-${i}.mts`)
    writeFileSync(path, block.code)
    return path
  })
  const program = ts.createProgram(files, {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleDetection: ts.ModuleDetectionKind.Force,
    types: ['node'],
    typeRoots: [join(folder, 'node_modules/@types')],
    strict: true,
    skipLibCheck: true,
  })
  const results = new Map<Block, { errors: string[]; code: string }>()
  for (const [i, block] of blocks.entries()) {
    const source = program.getSourceFile(files[i]!)!
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
    const errors = found.map(({ start = 0, messageText }) => {
      const line = block.line + 1 + source.getLineAndCharacterOfPosition(start).line
      return `${block.file}:${line} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
    })
    let code = ''
    program.emit(source, (_, text) => {
      code = text
    })
    results.set(block, { errors, code })
  }
  rmSync(folder, { recursive: true, force: true })
  return results
}

/**
 * Executes a block.
 *
 * @param code what is executed: that of the block, or what the compiler made of it.
 * @param shared the folder in which it is executed. Default: one of its own.
 * @returns what it printed; rejects if it ends with another exit code than 0.
 */
export async function execute(block: Block, code: string, shared?: string): Promise<Printed> {
  const folder = shared ?? installedFolder()
  for (const spec of wordsOf(block, 'files')) putFile(folder, spec)
  if (block.language !== 'python') for (const name of wordsOf(block, 'with')) putPackage(folder, name)
  const [program, file] = interpreter(block)
  writeFileSync(join(folder, file), code)
  const PATH = [join(folder, 'node_modules/.bin'), process.env.PATH].join(delimiter)
  try {
    const { stdout, stderr } = await run(program[0]!, [...program.slice(1), file], {
      cwd: folder,
      timeout: MOST_MILLISECONDS,
      maxBuffer: 2 ** 26,
      env: {
        ...process.env,
        PATH,
        NO_COLOR: '1',
        KERAS_BACKEND: kerasBackend() ?? '',
        // On a busy machine, two threads of PyTorch take many times as long as one.
        OMP_NUM_THREADS: '1',
      },
    })
    return { out: stdout, err: stderr }
  } finally {
    if (shared === undefined) rmSync(folder, { recursive: true, force: true })
  }
}

/** Where the libraries of the benchmark are installed (`npm run bench:install`). */
const PEERS = join(ROOT, 'bench/.peers')

/** What a block is executed with besides this package, of `with="…"`, that is not here. */
export function missing(block: Block): string[] {
  const { language } = block
  if (language !== 'python') return wordsOf(block, 'with').filter(name => !existsSync(packageFolder(name)))
  const modules = modulesOf(block)
  return pythonWith(modules) === undefined ? modules : []
}

function wordsOf({ marks }: Block, mark: string): string[] {
  return (marks.get(mark) ?? '').split(/\s+/).filter(Boolean)
}

/** Modules of Python that a block imports: those of `with="…"`, else Keras and scikit-learn. */
function modulesOf(block: Block): string[] {
  return block.marks.has('with') ? wordsOf(block, 'with') : ['keras', 'sklearn']
}

const packageFolder = (name: string): string => join(PEERS, 'node_modules', name)

function putPackage(folder: string, name: string): void {
  const path = join(folder, 'node_modules', name)
  if (!existsSync(path)) symlinkSync(packageFolder(name), path, 'junction')
}

/** Puts a file of this repository, or its first rows, into a folder that lacks it: `name=source` or `name=source#rows`. */
function putFile(folder: string, spec: string): void {
  const [, name, source, rows] = /^([^=]+)=([^#]+)(?:#(\d+))?$/.exec(spec)!
  const path = join(folder, name!)
  if (existsSync(path)) return
  const lines = readFileSync(join(ROOT, source!), 'utf8').split('\n')
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, (rows ? lines.slice(0, Number(rows) + 1) : lines).join('\n'))
}

function interpreter(block: Block): [string[], string] {
  const { language, marks } = block
  const name = marks.get('as')
  if (language === 'sh') return [['sh', '-eu'], 'block.sh']
  if (language === 'python') return [[pythonWith(modulesOf(block)) ?? 'python3'], name ?? 'block.py']
  return [
    [process.execPath],
    name?.replace(/\.ts$/, '.mjs') ?? (marks.has('cjs') ? 'block.cjs' : 'block.mjs'),
  ]
}

/** Interpreters to look for modules in: the one that is named, that of the benchmark, that of the system. */
const PYTHONS = [process.env.CELLSTATE_PYTHON, join(PEERS, 'venv/bin/python'), 'python3']
const found = new Map<string, string | undefined>()

/** The first Python that has all of these modules; `undefined` if there is none. */
export function pythonWith(modules: readonly string[]): string | undefined {
  const key = modules.join(' ')
  if (!found.has(key))
    found.set(
      key,
      PYTHONS.find(python => python !== undefined && hasAll(python, modules)),
    )
  return found.get(key)
}

function hasAll(python: string, modules: readonly string[]): boolean {
  const find = `
import importlib.util as util, sys
sys.exit(any(util.find_spec(name) is None for name in sys.argv[1:]))`
  try {
    execFileSync(python, ['-c', find, ...modules], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

let backend: string | null | undefined

/** Name of the library that Keras can compute with here; `undefined` if there is no Keras with scikit-learn. */
export function kerasBackend(): string | undefined {
  const python = pythonWith(['keras', 'sklearn'])
  if (backend === undefined) {
    const libraries = [process.env.KERAS_BACKEND, 'tensorflow', 'torch', 'jax'].filter(
      (name): name is string => name !== undefined && name !== '',
    )
    backend = (python && libraries.find(name => hasAll(python, [name]))) ?? null
  }
  return backend ?? undefined
}
