/**
 * Keeps the history of benchmarks: adds what `npm run bench:compare -- --json` wrote on each platform as a line to
 * `<platform>.jsonl` on the branch `bench-history`, which holds nothing else, and pushes it.
 *
 *   node bench/history.mjs FOLDER COMMIT [--remote origin] [--no-push]
 *
 * The folder has a file `bench-<platform>/result.json` of every platform.
 */
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'

const BRANCH = 'bench-history'
/** Runs of two commits may push at the same time. */
const TRIES = 5

const { values, positionals } = parseArgs({
  options: { remote: { type: 'string', default: 'origin' }, 'no-push': { type: 'boolean', default: false } },
  allowPositionals: true,
})
const [results, commit] = positionals
if (commit === undefined) {
  console.error('usage: node bench/history.mjs FOLDER COMMIT [--remote origin] [--no-push]')
  process.exit(2)
}
const lines = readdirSync(results)
  .filter(name => name.startsWith('bench-'))
  .map(name => {
    const result = JSON.parse(readFileSync(path.join(results, name, 'result.json'), 'utf8'))
    return [`${name.slice('bench-'.length)}.jsonl`, JSON.stringify({ commit, ...result })]
  })
if (lines.length === 0) throw new Error(`there are no results in ${results}`)
const folder = mkdtempSync(path.join(tmpdir(), 'cellstate-history-'))
const git = (args, cwd = folder) =>
  execFileSync('git', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

/** Whether it could be done: another run may have pushed meanwhile. */
function add() {
  const known = git(['ls-remote', '--heads', values.remote, BRANCH], process.cwd()).trim() !== ''
  if (known) git(['fetch', '--depth=1', values.remote, BRANCH], process.cwd())
  const tree = path.join(folder, 'tree')
  git(['worktree', 'prune'], process.cwd())
  git(['worktree', 'add', '--detach', '--force', tree, known ? 'FETCH_HEAD' : 'HEAD'], process.cwd())
  try {
    if (!known) {
      git(['checkout', '--orphan', BRANCH], tree)
      git(['rm', '-r', '--quiet', '--force', '.'], tree)
    }
    for (const [name, line] of lines) appendFileSync(path.join(tree, name), `${line}\n`)
    git(['add', '--', ...lines.map(([name]) => name)], tree)
    const author = ['-c', 'user.name=benchmarks', '-c', 'user.email=benchmarks@users.noreply.github.com']
    git([...author, 'commit', '--quiet', '-m', `Measure ${commit.slice(0, 12)}`], tree)
    if (!values['no-push']) git(['push', '--quiet', values.remote, `HEAD:refs/heads/${BRANCH}`], tree)
    console.log(git(['log', '-1', '--stat', '--format=%s'], tree).trim())
    return true
  } catch (error) {
    if (/rejected|fetch first/.test(error.stderr)) return false
    throw error
  } finally {
    git(['worktree', 'remove', '--force', tree], process.cwd())
    if (!known) execFileSync('git', ['branch', '-D', BRANCH], { stdio: 'ignore' })
  }
}

try {
  let done = false
  for (let tries = 0; tries < TRIES && !done; tries++) done = add()
  if (!done) throw new Error(`${BRANCH} changed with every try to push`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
