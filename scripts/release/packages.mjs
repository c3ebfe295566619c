/** Names and places of the packages of a release. */
import { readFileSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..')

export const readJson = file => JSON.parse(readFileSync(file, 'utf8'))

/** @returns {{ name: string, os: string, cpu: string, libc?: string, target: string, glibc?: string, title: string }[]} */
export const platforms = (root = ROOT) => readJson(path.join(root, 'npm', 'platforms.json'))

/** Name of the npm package of a platform. */
export const nativeName = platform => `@cellstate/native-${platform}`

/** Absolute path of the addon of a platform. */
export const addonFile = (platform, root = ROOT) => path.join(root, 'npm', platform, 'cellstate.node')

/** Whether the script with this URL was started, not imported. */
export const isMain = url =>
  process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(url)
