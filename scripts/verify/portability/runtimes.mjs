/** Other versions of Node.js, the least one among them, Bun and Deno. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { RUNTIME_NAMES, runtime } from '../cache.mjs'
import { runFirstExample } from '../example.mjs'

export const title = 'runtimes'
export const quick = true

const PLATFORM = 'linux-x64-gnu'
const QUICK = ['node-26', 'bun']
/** They are about the machine, the compiler or the documents, or, the last one, have a stage of their own: workers. */
const EXCLUDED = [
  'bench',
  'cli',
  'docs',
  'packed',
  'types',
  'release',
  'examples.test.ts',
  'native/lifecycle.test.ts',
]

export async function* rows(context) {
  const folder = await context.install(PLATFORM, path.join(context.work, 'runtimes'))
  for (const name of context.quick ? QUICK : RUNTIME_NAMES) {
    // The others are tried all the same.
    yield await tryRuntime(context, folder, name).catch(error => {
      context.say(error.message)
      return {
        platform: PLATFORM,
        runtime: name,
        how: 'npm',
        result: 'failed',
        note: error.message.split('\n')[0],
      }
    })
  }
}

async function tryRuntime(context, folder, name) {
  const program = runtime(name)
  const args = name === 'deno' ? ['run', '-A'] : []
  const fields = await context.app({ folder, program, args, save: true })
  await runFirstExample(context, folder, program, args)
  const ran = ["README's example"]
  if (!context.quick && name.startsWith('node')) ran.push(await ownTests(context, program))
  return { platform: PLATFORM, how: 'npm', tests: ran.join(', '), ...fields }
}

/** Runs the tests of the checkout with another Node.js. */
async function ownTests(context, program) {
  const report = path.join(context.work, 'vitest.json')
  const vitest = path.join(context.root, 'node_modules/vitest/vitest.mjs')
  const excluded = EXCLUDED.map(name => `--exclude=test/${name}${name.endsWith('.ts') ? '' : '/**'}`)
  const env = { ...process.env, PATH: `${path.dirname(program)}${path.delimiter}${process.env.PATH}` }
  // A busy machine makes some of them too slow: they are tried again.
  const limits = ['--testTimeout=600000', '--retry=2']
  const ended = await context
    .run(program, [vitest, 'run', '--reporter=json', `--outputFile=${report}`, ...limits, ...excluded], {
      env,
    })
    .catch(error => error)
  const {
    numPassedTests: passed,
    numPendingTests: skipped,
    testResults,
  } = JSON.parse(readFileSync(report, 'utf8'))
  if (ended instanceof Error) {
    const failed = testResults.flatMap(({ name, assertionResults }) =>
      assertionResults
        .filter(({ status }) => status === 'failed')
        .map(({ fullName, failureMessages }) => `${path.basename(name)}: ${fullName}: ${failureMessages[0]}`),
    )
    throw new Error(
      `${path.basename(path.dirname(path.dirname(program)))}: ${failed.join('\n') || ended.message}`,
    )
  }
  return `${passed} tests passed, ${skipped} skipped`
}
