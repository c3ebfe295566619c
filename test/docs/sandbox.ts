/** Runs code of the documents as a reader would: in an empty folder in which `cellstate` is installed. */
import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
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

/** A new folder; `cellstate` in it is the build of this repository. */
function installedFolder(): string {
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
 * Executes a block in a folder of its own.
 *
 * @param code what is executed: that of the block, or what the compiler made of it.
 * @returns what it printed; rejects if it ends with another exit code than 0.
 */
export async function execute(block: Block, code: string): Promise<Printed> {
  const folder = installedFolder()
  for (const spec of (block.marks.get('files') ?? '').split(/\s+/).filter(Boolean)) putFile(folder, spec)
  const [program, file] = interpreter(block)
  writeFileSync(join(folder, file), code)
  const PATH = [join(folder, 'node_modules/.bin'), process.env.PATH].join(delimiter)
  try {
    const { stdout, stderr } = await run(program[0]!, [...program.slice(1), file], {
      cwd: folder,
      timeout: MOST_MILLISECONDS,
      maxBuffer: 2 ** 26,
      env: { ...process.env, PATH, NO_COLOR: '1', KERAS_BACKEND: kerasBackend() ?? '' },
    })
    return { out: stdout, err: stderr }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Puts a file of this repository, or its first rows, into a folder: `name=source` or `name=source#rows`. */
function putFile(folder: string, spec: string): void {
  const [, name, source, rows] = /^([^=]+)=([^#]+)(?:#(\d+))?$/.exec(spec)!
  const lines = readFileSync(join(ROOT, source!), 'utf8').split('\n')
  const path = join(folder, name!)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, (rows ? lines.slice(0, Number(rows) + 1) : lines).join('\n'))
}

function interpreter({ language, marks }: Block): [string[], string] {
  if (language === 'sh') return [['sh', '-eu'], 'block.sh']
  if (language === 'python') return [[PYTHON], 'block.py']
  return [[process.execPath], marks.has('cjs') ? 'block.cjs' : 'block.mjs']
}

const PYTHON = process.env.CELLSTATE_PYTHON ?? 'python3'
let backend: string | null | undefined

/** Name of the library that Keras can compute with here; `undefined` if there is no Keras. */
export function kerasBackend(): string | undefined {
  if (backend === undefined) {
    const find = `
import importlib.util as util, os
has = lambda name: util.find_spec(name) is not None
backends = [name for name in (os.environ.get('KERAS_BACKEND'), 'tensorflow', 'torch', 'jax') if name and has(name)]
print(backends[0] if backends and has('keras') else '')`
    try {
      const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] } as const
      backend = execFileSync(PYTHON, ['-c', find], options).trim() || null
    } catch {
      backend = null
    }
  }
  return backend ?? undefined
}
