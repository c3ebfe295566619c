/** The same sources give the same addon, byte by byte, in whatever folder they are built. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { addonFile } from '../../release/packages.mjs'
import { sha256 } from '../../release/record.mjs'

export const title = 'built twice'

const PLATFORM = 'linux-x64-gnu'

export async function* rows(context) {
  const listed = execFileSync(
    'git',
    ['ls-files', '-z', 'Cargo.*', 'package.json', 'crates', 'npm', 'scripts'],
    {
      cwd: context.root,
      encoding: 'utf8',
    },
  )
  const hashes = []
  for (const name of ['first', 'second, elsewhere']) {
    const folder = path.join(context.work, 'bytes', name)
    for (const file of listed.split('\0').filter(Boolean)) {
      mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
      copyFileSync(path.join(context.root, file), path.join(folder, file))
    }
    const { CARGO_TARGET_DIR: _, ...env } = process.env
    await context.run(process.execPath, ['scripts/build-native.mjs', '--release-link'], { cwd: folder, env })
    const bytes = readFileSync(addonFile(PLATFORM, folder))
    const traces = [context.work, context.root, env.HOME].filter(text => bytes.includes(text))
    if (traces.length > 0) throw new Error(`the addon has the paths ${traces.join(', ')} in it`)
    hashes.push(sha256(bytes))
  }
  yield {
    platform: PLATFORM,
    how: 'cargo and zig, in two folders',
    result: hashes[0] === hashes[1] ? 'passed' : 'failed',
    note: hashes[0] === hashes[1] ? `SHA-256 ${hashes[0].slice(0, 16)}` : 'other bytes in another folder',
  }
}
