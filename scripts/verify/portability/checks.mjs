/** The packed packages as they are: what linters say, what they export, their bytes, their bill of materials. */
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { pack } from '../../release/pack.mjs'
import { readJson } from '../../release/packages.mjs'
import { sha256 } from '../../release/record.mjs'
import { writeBillOfMaterials } from '../../release/sbom.mjs'
import { tool, toolFolder } from '../cache.mjs'

export const title = 'the packed packages'

const PLATFORM = 'linux-x64-gnu'

export async function* rows(context) {
  const release = path.dirname(context.tarball('cellstate'))
  const tarballs = readdirSync(release).filter(name => name.endsWith('.tgz'))
  const passed = (how, tests) => ({ platform: 'all', how, tests, result: 'passed' })

  for (const name of tarballs) await publint(context, path.join(release, name))
  yield passed('publint', `nothing to say about ${tarballs.length} packages`)

  const args = [tool('@arethetypeswrong/cli', 'attw'), '--no-color', context.tarball('cellstate')]
  await context.run(process.execPath, args)
  yield passed('arethetypeswrong', 'types are right for node10, node16 and bundlers')

  const folder = await context.install(PLATFORM, path.join(context.work, 'checks'))
  yield passed('exports', await checkExports(path.join(folder, 'node_modules/cellstate')))

  const hashes = folder => tarballs.map(name => sha256(readFileSync(path.join(folder, name))))
  const again = path.join(context.work, 'again')
  pack({ release: again })
  if (hashes(release).join() !== hashes(again).join())
    throw new Error('packed again, the packages have other bytes')
  yield passed('packed twice', 'the same bytes')

  yield passed('bill of materials', await checkBill(writeBillOfMaterials()))
}

/** Suggestions count too. */
async function publint(context, file) {
  const { stdout } = await context.run(process.execPath, [tool('publint'), '--strict', file])
  if (!/All good!/.test(stdout)) throw new Error(stdout)
}

/** Every path of package.json leads to a file; both kinds of modules export the same, and what the types name. */
async function checkExports(folder) {
  const manifest = readJson(path.join(folder, 'package.json'))
  const pathsIn = value =>
    typeof value === 'string'
      ? [value]
      : typeof value === 'object'
        ? Object.values(value).flatMap(pathsIn)
        : []
  const { main, module, types, exports, bin } = manifest
  for (const file of pathsIn({ main, module, types, exports, bin })) readFileSync(path.join(folder, file))
  const required = createRequire(path.join(folder, 'index.js'))(folder)
  const imported = await import(pathToFileURL(path.join(folder, module)).href)
  const names = Object.keys(required).sort()
  if (names.join() !== Object.keys(imported).sort().join())
    throw new Error('require and import give other names')
  const different = names.filter(name => required[name] !== imported[name])
  if (different.length > 0) throw new Error(`require and import give another ${different.join(', ')}`)
  const declared = readFileSync(path.join(folder, types), 'utf8')
  const missing = names.filter(name => !new RegExp(`\\b${name}\\b`).test(declared))
  if (missing.length > 0) throw new Error(`no types for ${missing.join(', ')}`)
  return `${names.length} names, the same by require and import`
}

/** Whether the schema of CycloneDX takes it. */
async function checkBill(file) {
  const { Spec, Validation } = createRequire(path.join(toolFolder(), 'index.js'))(
    '@cyclonedx/cyclonedx-library',
  )
  const wrong = await new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(
    readFileSync(file, 'utf8'),
  )
  if (wrong !== null)
    throw new Error(`the bill of materials is wrong: ${JSON.stringify(wrong).slice(0, 500)}`)
  return `CycloneDX 1.6, ${readJson(file).components.length} components`
}
