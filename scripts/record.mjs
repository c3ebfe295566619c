/**
 * Records commands in a terminal of 80 columns into docs/results/run.cast, from which scripts/picture.mjs draws the
 * README's picture: `node scripts/record.mjs`, or with other commands as arguments. For Linux, with the `script` of
 * util-linux; after `npm run build`.
 *
 * The form is that of asciinema, version 2: one line of JSON about the terminal, then `[seconds, "o", text]` a line.
 */
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const COLUMNS = 80
const ROWS = 24
const COMMANDS = [
  "cellstate train reviews.csv --label stars --positive '>3' --epochs 10",
  'cellstate predict model.safetensors "Although the soup was excellent, the service was terrible."',
]

const commands = process.argv.length > 2 ? process.argv.slice(2) : COMMANDS
const folder = mkdtempSync(path.join(tmpdir(), 'cellstate-record-'))
try {
  const bin = path.join(folder, 'bin')
  mkdirSync(bin)
  symlinkSync(path.join(ROOT, 'dist/cli/main.js'), path.join(bin, 'cellstate'))
  copyFileSync(path.join(ROOT, 'examples/reviews.csv'), path.join(folder, 'reviews.csv'))
  const shown = commands.map(
    command => `printf '%s\\n' '$ ${command.replaceAll("'", "'\\''")}'\n${command}\n`,
  )
  writeFileSync(
    path.join(folder, 'run.sh'),
    `stty cols ${COLUMNS} rows ${ROWS}\n${shown.join('printf "\\n"\n')}`,
  )
  execFileSync('script', ['-q', '-e', '-c', 'sh run.sh', '--log-out', 'out', '--log-timing', 'timing'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { PATH: `${bin}:${process.env.PATH}`, HOME: folder, TERM: 'xterm-256color', LANG: 'C.UTF-8' },
  })
  // The first line is a heading of `script`, the last one its end.
  const bytes = readFileSync(path.join(folder, 'out'))
  let offset = bytes.indexOf(10) + 1
  let seconds = 0
  const decoder = new TextDecoder()
  const lines = [{ version: 2, width: COLUMNS, height: ROWS, title: 'cellstate' }]
  for (const line of readFileSync(path.join(folder, 'timing'), 'utf8').trim().split('\n')) {
    const [wait, count] = line.split(' ').map(Number)
    seconds += wait
    const text = decoder.decode(bytes.subarray(offset, offset + count), { stream: true })
    offset += count
    if (text !== '') lines.push([Number(seconds.toFixed(3)), 'o', text])
  }
  const file = path.join(ROOT, 'docs/results/run.cast')
  writeFileSync(file, lines.map(line => `${JSON.stringify(line)}\n`).join(''))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
