/** Finds the copies of this package that a program could load by mistake. */
import { readdir, readFile, realpath } from 'node:fs/promises'
import path from 'node:path'

/** A copy and its version. */
export interface Copy {
  path: string
  version: string
}

const NAME = 'cellstate'
/** Packages that are looked into for a copy of their own. */
const MOST_PACKAGES = 5000

/**
 * The copy at `own`, and those in the `node_modules` folders from `own` and `folder` upwards: in the folder itself, and
 * in one of the packages in it. Links to the same place count once.
 */
export async function copies(own: string, folder: string): Promise<Copy[]> {
  const found = new Map<string, Copy>()
  const look = async (place: string): Promise<void> => {
    const copy = await copyAt(place)
    if (copy !== undefined) found.set(copy.path, copy)
  }
  await look(own)
  const parents = new Set([...upwards(own), ...upwards(folder)])
  for (const parent of parents) {
    const modules = path.join(parent, 'node_modules')
    await look(path.join(modules, NAME))
    for (const name of await packagesIn(modules)) await look(path.join(modules, name, 'node_modules', NAME))
  }
  return [...found.values()]
}

async function copyAt(place: string): Promise<Copy | undefined> {
  try {
    const { name, version } = JSON.parse(await readFile(path.join(place, 'package.json'), 'utf8')) as {
      name?: unknown
      version?: unknown
    }
    return name === NAME ? { path: await realpath(place), version: String(version) } : undefined
  } catch {
    return undefined
  }
}

async function packagesIn(modules: string): Promise<string[]> {
  const names: string[] = []
  for (const name of await list(modules)) {
    if (name.startsWith('@')) {
      for (const scoped of await list(path.join(modules, name))) names.push(`${name}/${scoped}`)
    } else if (!name.startsWith('.') && name !== NAME) names.push(name)
    if (names.length > MOST_PACKAGES) break
  }
  return names
}

async function list(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => [])
}

function* upwards(folder: string): Generator<string> {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    if (path.basename(at) !== 'node_modules') yield at
    if (at === path.dirname(at)) return
  }
}
