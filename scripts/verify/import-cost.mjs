/** What it costs to import the installed package. */

/** Milliseconds of the processor, or as many as Node.js itself takes to start where that is slower. */
const LIMIT = 30
const RUNS = 9

const SCRIPT = `const begin = process.cpuUsage()
require('cellstate')
const milliseconds = ({ user, system }) => (user + system) / 1000
console.log(JSON.stringify([milliseconds(process.cpuUsage(begin)), milliseconds(begin)]))`

/**
 * Measures it in a folder where the package is installed: the least of several, as other programs only add to it.
 *
 * @returns {Promise<{ cost: number, start: number, passed: boolean }>} milliseconds of the import and of what comes before.
 */
export async function importCost(context, folder) {
  const runs = []
  for (let i = 0; i < RUNS; i++) {
    const { stdout } = await context.run(process.execPath, ['-e', SCRIPT], { cwd: folder })
    runs.push(JSON.parse(stdout))
  }
  const [cost, start] = [0, 1].map(i => Math.min(...runs.map(run => run[i])))
  return { cost, start, passed: cost <= Math.max(LIMIT, start) }
}
