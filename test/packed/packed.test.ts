/**
 * Packs the main package and that of this platform, installs them as a user would, without scripts and without network,
 * and uses them from TypeScript, from JavaScript and from the command line.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pack as packRelease } from '../../scripts/release/pack.mjs'
import { blocksOf, matches, ROOT, tidy } from '../docs/blocks.js'

const PLATFORM = 'linux-x64-gnu'
const KILOBYTE = 1000
const MEGABYTE = 1000 * KILOBYTE
const TSC = join(createRequire(import.meta.url).resolve('typescript/package.json'), '../bin/tsc')

type Tarball = ReturnType<typeof packRelease>[number]

const json = (path: string) => JSON.parse(readFileSync(join(ROOT, path), 'utf8'))
const folder = mkdtempSync(join(tmpdir(), 'cellstate-packed-'))
const app = join(folder, 'app')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const run = (program: string, args: readonly string[], cwd = app): string =>
  execFileSync(program, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 26,
  })

function packDependency(name: string): string {
  const args = ['pack', '--ignore-scripts', '--offline', '--json', '--pack-destination', folder]
  return join(folder, JSON.parse(run('npm', args, join(ROOT, 'node_modules', name)))[0].filename)
}

const addon = join(ROOT, 'npm', PLATFORM, 'cellstate.node')
const here = process.platform === 'linux' && process.arch === 'x64' && existsSync(addon)

describe.skipIf(!here)(
  `the packed packages (${here ? PLATFORM : `only on ${PLATFORM}, after npm run build`})`,
  () => {
    let main: Tarball
    let native: Tarball
    let installation: number

    beforeAll(() => {
      ;[main, native] = packRelease({ names: [PLATFORM], release: join(folder, 'release') }) as [
        Tarball,
        Tarball,
      ]
      const dependencies = Object.keys(json('package.json').dependencies).map(packDependency)
      mkdirSync(app)
      writeFileSync(join(app, 'package.json'), '{ "private": true }\n')
      const tarballs = [main.file, native.file, ...dependencies]
      const begin = performance.now()
      run('npm', ['install', '--ignore-scripts', '--offline', '--no-audit', '--no-fund', ...tarballs])
      installation = (performance.now() - begin) / 1000
    })

    it('hold what a user needs and nothing else', () => {
      const paths = main.files.map(({ path }) => path)
      expect(paths).toEqual(
        expect.arrayContaining(['LICENSE', 'NOTICE', 'README.md', 'CHANGELOG.md', 'package.json']),
      )
      expect(paths).toEqual(expect.arrayContaining(['dist/index.js', 'dist/index.mjs', 'dist/cli/main.js']))
      expect(paths).toEqual(expect.arrayContaining(['dist/index.d.ts', 'dist/index.d.mts']))
      const rest = paths.filter(
        path => !/^(dist\/|LICENSE$|NOTICE$|README\.md$|CHANGELOG\.md$|package\.json$)/.test(path),
      )
      expect(rest).toEqual([])
      expect(
        paths.filter(path => /\.(map|node|tgz|safetensors)$|\.test\.|^test\/|fixture/.test(path)),
      ).toEqual([])
      const sources = paths.filter(path => path.endsWith('.ts') && !path.endsWith('.d.ts'))
      expect(sources).toEqual([])
      const contents = native.files.map(({ path }) => path).sort()
      expect(contents).toEqual(['LICENSE', 'NOTICE', 'README.md', 'cellstate.node', 'package.json'])
    })

    it('refer to no source map', () => {
      const scripts = main.files.map(({ path }) => path).filter(path => /\.m?js$/.test(path))
      const text = scripts
        .map(path => readFileSync(join(app, 'node_modules/cellstate', path), 'utf8'))
        .join('\n')
      expect(text).not.toContain('sourceMappingURL')
    })

    it('are small: the main one below 1 MB, that of the platform below 4 MB', () => {
      for (const { name, size, unpackedSize } of [main, native]) {
        console.log(
          `${name}: ${Math.round(size / KILOBYTE)} kB packed, ${Math.round(unpackedSize / KILOBYTE)} kB unpacked`,
        )
      }
      expect(main.unpackedSize).toBeLessThan(MEGABYTE)
      expect(native.unpackedSize).toBeLessThan(4 * MEGABYTE)
    })

    it('have one version, and the one of the platform says where it runs', () => {
      expect(native.version).toBe(main.version)
      expect(json(`npm/${PLATFORM}/package.json`)).toMatchObject({
        name: `@cellstate/native-${PLATFORM}`,
        os: ['linux'],
        cpu: ['x64'],
        libc: ['glibc'],
        license: json('package.json').license,
        engines: json('package.json').engines,
      })
      const licences = ['LICENSE', `npm/${PLATFORM}/LICENSE`].map(path =>
        readFileSync(join(ROOT, path), 'utf8'),
      )
      expect(licences[1]).toBe(licences[0])
    })

    it('have no script that runs when they are installed', () => {
      const scripts = Object.keys({
        ...json('package.json').scripts,
        ...json(`npm/${PLATFORM}/package.json`).scripts,
      })
      const automatic = ['preinstall', 'install', 'postinstall', 'prepare', 'preprepare', 'postprepare']
      expect(scripts.filter(name => automatic.includes(name))).toEqual([])
      expect(
        readdirSync(join(app, 'node_modules'))
          .filter(name => !name.startsWith('.'))
          .sort(),
      ).toEqual(['@cellstate', 'cellstate', ...Object.keys(json('package.json').dependencies)].sort())
    })

    it('load the addon of the platform package', () => {
      const script = `require('cellstate').sequential([require('cellstate').input({ features: 1 })])
      console.log(Object.keys(require.cache).find(name => name.endsWith('.node')))`
      expect(run(process.execPath, ['-e', script]).trim()).toBe(
        join(app, 'node_modules/@cellstate', `native-${PLATFORM}`, 'cellstate.node'),
      )
    })

    it('cost at most 30 ms of the processor, or as much as Node.js itself where that is slow, and 20 MB to import', () => {
      const script = `const before = process.memoryUsage().rss, begin = process.cpuUsage()
      require('cellstate')
      const { user, system } = process.cpuUsage(begin)
      const milliseconds = ({ user, system }) => (user + system) / 1000
      console.log(JSON.stringify([
        milliseconds({ user, system }),
        milliseconds(begin),
        (process.memoryUsage().rss - before) / 1e6,
      ]))`
      const imports = Array.from({ length: 5 }, () => JSON.parse(run(process.execPath, ['-e', script])))
      const [cost, start, megabytes] = [0, 1, 2].map(i => Math.min(...imports.map(costs => costs[i])))
      console.log(
        `import: ${cost!.toFixed(0)} ms, after ${start!.toFixed(0)} ms; ${megabytes!.toFixed(1)} MB`,
      )
      expect(cost).toBeLessThanOrEqual(Math.max(30, start!))
      expect(megabytes).toBeLessThanOrEqual(20)
    })

    const APP = `import { readCsv, type Prediction, TextClassifier } from 'cellstate'

async function main(): Promise<void> {
  const classifier = await TextClassifier.train(readCsv('reviews.csv'), {
    text: 'text',
    label: row => (Number(row.stars) > 3 ? 'good' : 'bad'),
    epochs: 20,
  })
  await classifier.save('app.safetensors')
  const again = await TextClassifier.load<'good' | 'bad'>('app.safetensors')
  const answer: Prediction<'good' | 'bad'> = await again.predict('The soup was great.')
  const sum: number = answer.probabilities.good + answer.probabilities.bad
  console.log(answer.label, sum.toFixed(3))
}
main()
`
    const REVIEWS = ['soup', 'pasta', 'wine', 'music', 'waiter', 'coffee'].flatMap(thing =>
      ['great', 'lovely', 'perfect', 'awful', 'bland', 'rude'].map(
        (word, i) => `${i < 3 ? 5 : 1},The ${thing} was ${word}.`,
      ),
    )

    it('train, save, load and predict in a TypeScript app, CommonJS and ESM', () => {
      writeFileSync(join(app, 'reviews.csv'), `stars,text\n${REVIEWS.join('\n')}\n`)
      for (const file of ['app.cts', 'app.mts']) writeFileSync(join(app, file), APP)
      const types = ['--types', 'node', '--typeRoots', join(ROOT, 'node_modules/@types')]
      const options = ['--strict', '--module', 'nodenext', '--target', 'es2023', '--skipLibCheck', ...types]
      run(process.execPath, [TSC, ...options, 'app.cts', 'app.mts'])
      for (const file of ['app.cjs', 'app.mjs']) expect(run(process.execPath, [file])).toBe('good 1.000\n')
    })

    it('train, evaluate and predict from the command line', () => {
      const cellstate = (...args: string[]): string =>
        run('npx', ['--offline', '--no', '--', 'cellstate', ...args])
      expect(cellstate('--version')).toBe(`${main.version}\n`)
      writeFileSync(join(app, 'reviews.csv'), `stars,text\n${REVIEWS.join('\n')}\n`)
      const columns = ['--text', 'text', '--label', 'stars', '--positive', '>3']
      const trained = cellstate(
        'train',
        'reviews.csv',
        ...columns,
        '--epochs',
        '20',
        '--out',
        'cli.safetensors',
        '--json',
      )
      expect(JSON.parse(trained)).toMatchObject({ task: 'classify', model: 'cli.safetensors' })
      expect(
        JSON.parse(cellstate('evaluate', 'cli.safetensors', 'reviews.csv', '--json')).accuracy,
      ).toBeGreaterThan(0.9)
      const predicted = cellstate('predict', 'cli.safetensors', 'The soup was great.', '--json')
      expect(JSON.parse(predicted)).toMatchObject({ label: 'positive' })
    })

    it('run the first example of the README unchanged as shown, and soon after the installation', () => {
      const example = blocksOf('README.md').find(
        ({ language, marks }) => language === 'ts' && marks.has('run'),
      )!
      expect(example.output).toBeDefined()
      writeFileSync(join(app, 'first.mjs'), example.code)
      const begin = performance.now()
      const printed = run(process.execPath, ['first.mjs'])
      const seconds = (performance.now() - begin) / 1000
      expect(matches(example.output!.code, printed), tidy(printed)).toBe(true)
      console.log(`install: ${installation.toFixed(1)} s, first example: ${seconds.toFixed(1)} s`)
      expect(seconds).toBeLessThanOrEqual(10)
      expect(installation + seconds).toBeLessThanOrEqual(60)
    })
  },
)
