import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Charted, scalingChart } from '../../src/cli/scaling/chart.js'
import {
  fitCosts,
  leastSquares,
  PARTS,
  predictedTime,
  splitOf,
  timesOf,
  workOfParts,
} from '../../src/cli/scaling/fit.js'
import { parametersOf, trainingBytes } from '../../src/cli/scaling/memory.js'
import {
  AXES,
  basePoint,
  besideAxes,
  expectedDistinct,
  nameOf,
  onAxis,
  pointsAround,
} from '../../src/cli/scaling/points.js'
import { type ScalingPoint, type ScalingReport, scalingText } from '../../src/cli/scaling/scaling.js'
import { distinct, reviewsModel, zipfIds } from '../../src/cli/workload.js'
import { temporaryFolder } from '../reviews.js'
import { cellstate } from './run.js'

const PLANTED = {
  step: 50_000,
  products: 0.02,
  weights: 0.004,
  farWeights: 0.03,
  meetings: 1700,
  cells: 8,
  parameters: 2.5,
  farParameters: 5,
}
const folder = temporaryFolder()
const base = basePoint(4)
const sized = pointsAround(base).map(point => ({
  ...point,
  distinctTokens: Math.round(expectedDistinct(point.N * point.T)),
}))

/** Points whose times are exactly what the planted costs give. */
function planted(costs = PLANTED): ScalingPoint[] {
  return sized.map(point => {
    const time = predictedTime(point, costs)
    const tokens = point.N * point.T
    return {
      ...point,
      tokens,
      parameters: parametersOf(point.H),
      rounds: 3,
      milliseconds: { median: time, low: 0.9 * time, high: 1.1 * time },
      tokensPerSecond: (1000 * tokens) / time,
      gflopsExecuted: 100,
      residentBytes: 50e6,
      shareOfPeak: 0.5,
      predictedMilliseconds: time,
      predictedBytes: trainingBytes(point),
    }
  })
}

function report(points = planted()): ScalingReport {
  const machine = { cpu: 'A processor', cores: 4, fmaPeakGflops: 400, simd: 'avx2' }
  const sizes = [{ H: 1024 }, { N: 4, H: 1024 }]
  const leftOut = sizes.map(size => ({ ...base, ...size, lack: 'time' as const }))
  return { version: '0.1.0', machine, base, points, leftOut, fit: fitCosts(points) }
}

describe('the points of bench --scaling', () => {
  it('lie on four axes around a base', () => {
    expect(pointsAround(base)[0]).toEqual({ N: 32, T: 128, H: 200, threads: 4 })
    const values = AXES.map(axis => onAxis(sized, base, axis).map(point => point[axis]))
    expect(values).toEqual([
      [1, 2, 4],
      [32, 64, 128, 256, 512],
      [1, 4, 8, 16, 32, 64, 128],
      [64, 128, 200, 256, 512, 1024],
    ])
    expect(besideAxes(sized, base).map(point => nameOf(point, base))).toEqual([
      'N 1, H 512',
      'N 4, H 512',
      'N 1, H 1024',
      'N 4, H 1024',
    ])
  })

  it.each([
    [1, [1]],
    [2, [1, 2]],
    [6, [1, 2, 4, 6]],
    [16, [1, 2, 4, 8, 16]],
  ])('have up to %i threads', (threads, expected) => {
    const own = basePoint(threads)
    expect(onAxis(pointsAround(own), own, 'threads').map(point => point.threads)).toEqual(expected)
  })

  it('have about as many distinct tokens as are expected', () => {
    const ids = zipfIds(24 * 4096)
    expect(Math.abs(distinct(ids, 4096) / expectedDistinct(4096) - 1)).toBeLessThan(0.05)
    expect(expectedDistinct(1)).toBeCloseTo(1, 9)
    expect(expectedDistinct(1e9)).toBeCloseTo(2499, 0)
  })
})

describe('the model of the time of a training step', () => {
  it('splits rows, or units where there are fewer than two rows a thread', () => {
    expect(splitOf({ N: 32, H: 200, threads: 2 })).toEqual({ threads: 2, rows: 16, unitParts: 1 })
    expect(splitOf({ N: 33, H: 200, threads: 16 })).toEqual({ threads: 16, rows: 3, unitParts: 1 })
    expect(splitOf({ N: 32, H: 200, threads: 64 })).toEqual({ threads: 32, rows: 1, unitParts: 1 })
    expect(splitOf({ N: 3, H: 200, threads: 2 })).toEqual({ threads: 2, rows: 3, unitParts: 2 })
    expect(splitOf({ N: 4, H: 200, threads: 2 })).toEqual({ threads: 2, rows: 2, unitParts: 1 })
    expect(splitOf({ N: 1, H: 1024, threads: 2 })).toEqual({ threads: 2, rows: 1, unitParts: 2 })
    expect(splitOf({ N: 1, H: 64, threads: 2 })).toEqual({ threads: 1, rows: 1, unitParts: 1 })
  })

  it('counts the products of one thread as a training step has them', () => {
    const work = workOfParts({ N: 5, T: 7, H: 32, threads: 1, distinctTokens: 11 })
    expect(work.products).toBe(3 * 4 * 32 * (32 * 35 + 128 * 11))
    expect(work.weights).toBe(2 * 4 * 32 * 32 * 7)
    expect(work.cells).toBe(35 * 32)
    expect(work).toMatchObject({ farWeights: 0, meetings: 0, farParameters: 0 })
  })

  it('waits for weights beyond the cache with one to three rows, and for threads that share units', () => {
    const large = { N: 1, T: 10, H: 512, threads: 1, distinctTokens: 10 }
    const weights = 2 * 4 * 512 * 512 * 10
    expect(workOfParts(large)).toMatchObject({ farWeights: (3 / 4) * weights, meetings: 0 })
    expect(workOfParts({ ...large, N: 4 }).farWeights).toBe(0)
    expect(workOfParts({ ...large, N: 6 }).farWeights).toBe(0)
    expect(workOfParts({ ...large, N: 8 }).farWeights).toBe(weights / 2)
    expect(workOfParts({ ...large, threads: 2 })).toMatchObject({
      farWeights: (3 / 8) * weights,
      meetings: 20,
    })
    expect(workOfParts({ ...large, threads: 4 }).farWeights).toBe(0)
  })

  it('finds the costs that the times were made of', () => {
    const { nanoseconds, relativeErrors } = fitCosts(planted())
    for (const part of PARTS) expect(nanoseconds[part] / PLANTED[part]).toBeCloseTo(1, 5)
    expect(relativeErrors.worst).toBeLessThan(1e-6)
  })

  it('has no negative cost, whatever the times are', () => {
    const points = planted().map((point, i) => ({
      ...point,
      milliseconds: { median: point.milliseconds.median * (1 + 0.3 * Math.sin(7 * i)) },
    }))
    const { nanoseconds, relativeErrors } = fitCosts(points)
    for (const part of PARTS) expect(nanoseconds[part]).toBeGreaterThanOrEqual(0)
    expect(relativeErrors.median).toBeLessThanOrEqual(relativeErrors.worst)
    expect(fitCosts(points)).toEqual({ nanoseconds, relativeErrors })
  })

  it('adds up', () => {
    const times = timesOf(sized[0]!, PLANTED)
    const sum = PARTS.reduce((total, part) => total + times[part], 0)
    expect(sum).toBeCloseTo(predictedTime(sized[0]!, PLANTED), 12)
  })
})

describe('non-negative least squares', () => {
  it('leaves out what would be negative', () => {
    const rows = [
      [1, 0],
      [1, 1],
      [1, 2],
    ]
    expect(leastSquares(rows, [1, 3, 5]).map(value => Number(value.toFixed(9)))).toEqual([1, 2])
    expect(leastSquares(rows, [3, 2, 1])).toEqual([2, 0])
    expect(leastSquares(rows, [-1, -1, -1])).toEqual([0, 0])
  })

  it('takes columns that depend on one another', () => {
    const [a = 0, b = 0] = leastSquares(
      [
        [1, 2],
        [2, 4],
      ],
      [3, 6],
    )
    expect(a + 2 * b).toBeCloseTo(3, 9)
  })
})

describe('the model of memory', () => {
  it('counts the parameters of the model', () => {
    for (const units of [64, 200]) {
      using model = reviewsModel({ threads: 1, simd: '' }, units)
      expect(parametersOf(units)).toBe(model.parameterCount)
    }
  })

  it('grows with every size', () => {
    const size = { N: 32, T: 128, H: 200, distinctTokens: 1000 }
    for (const name of ['N', 'T', 'H', 'distinctTokens'] as const) {
      expect(trainingBytes({ ...size, [name]: 2 * size[name] })).toBeGreaterThan(trainingBytes(size))
    }
  })
})

describe('the chart', () => {
  const count = (svg: string, text: string): number => svg.split(text).length - 1

  it('is well-formed and has all points, with the base in every panel', () => {
    const svg = scalingChart(planted(), base)
    const open: string[] = []
    const tags = /<(\/?)(\w+)((?:\s[\w:-]+="[^"<>]*")*)\s*(\/?)>/g
    for (const [, close, tag, , end] of svg.matchAll(tags)) {
      if (close) expect(open.pop()).toBe(tag)
      else if (!end) open.push(tag!)
    }
    expect(open).toEqual([])
    expect(svg.replaceAll(tags, '')).not.toMatch(/[<>]|NaN/)
    expect(count(svg, '<circle class="point" cx=')).toBe(
      sized.length - besideAxes(sized, base).length + AXES.length - 1 + 1,
    )
    expect(count(svg, '<path class="model"')).toBe(AXES.length + 1)
  })

  it('draws an axis with one point', () => {
    const one: Charted = planted()[0]!
    expect(scalingChart([one], base)).not.toContain('NaN')
  })
})

describe('the table', () => {
  it('fits into 80 columns and has a row a value', () => {
    const text = scalingText(report(), 'scaling.svg')
    for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80)
    expect(text).toMatch(/^threads +ms +quartiles +fitted +tokens\/s +of peak +memory +speed-up$/m)
    expect(text).toMatch(/^ {6}4 .* [\d.]+×$/m)
    for (const axis of AXES) expect(text).toMatch(new RegExp(`^${axis} +ms `, 'm'))
    expect(text).toMatch(/^N 1, H 512 +[\d.]+ /m)
    expect(text).toMatch(/^Left out, too little time: H 1024\nLeft out, too little time: N 4, H 1024$/m)
    expect(text).toContain('Fitted model: off by 0.0 % in the median, 0.0 % at worst.')
    expect(text).toContain('scaling.svg: the chart')
  })
})

describe('cellstate bench --scaling', () => {
  it('measures, fits and draws', { timeout: 300_000 }, async () => {
    const chart = join(folder, 'scaling.svg')
    const args = ['bench', '--scaling', '--seconds', '1', '--threads', '2', '--json', '--chart', chart]
    const { code, out, err } = await cellstate(args)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const done: ScalingReport = JSON.parse(out)
    expect(done.base).toEqual({ N: 32, T: 128, H: 200, threads: 2 })
    expect(done.points.length + done.leftOut.length).toBe(pointsAround(done.base).length)
    for (const axis of AXES) {
      expect(onAxis(done.points, done.base, axis).length, axis).toBeGreaterThanOrEqual(
        axis === 'threads' ? 1 : 3,
      )
    }
    for (const point of done.points) {
      const { median, low, high } = point.milliseconds
      expect(low).toBeGreaterThan(0)
      expect(low).toBeLessThanOrEqual(median)
      expect(median).toBeLessThanOrEqual(high)
      expect(point.rounds).toBeGreaterThanOrEqual(3)
      expect(point.tokens).toBe(point.N * point.T)
      expect(point.distinctTokens).toBeLessThanOrEqual(point.tokens)
      expect(point.predictedMilliseconds).toBeCloseTo(predictedTime(point, done.fit.nanoseconds), 9)
      expect(point.predictedBytes).toBe(trainingBytes(point))
    }
    for (const part of PARTS) expect(done.fit.nanoseconds[part]).toBeGreaterThanOrEqual(0)
    expect(readFileSync(chart, 'utf8')).toBe(scalingChart(done.points, done.base))
    expect(readdirSync(folder)).toEqual(['scaling.svg'])
    expect(scalingText(done)).toContain('Fitted model')
  })

  it('finds out before it measures that the chart cannot be written', async () => {
    const chart = join(folder, 'no-such-folder', 'scaling.svg')
    const { code, out, err } = await cellstate(['bench', '--scaling', '--chart', chart])
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain('ERR_FILE')
    expect(err).toContain('--chart')
  })

  it('leaves no file behind when it is stopped', async () => {
    const before = readdirSync(folder)
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 300)
    const args = ['bench', '--scaling', '--chart', join(folder, 'stopped.svg')]
    expect(await cellstate(args, controller.signal)).toEqual({
      code: 130,
      out: '',
      err: 'cellstate: stopped by Ctrl-C: no file was written\n',
    })
    expect(readdirSync(folder)).toEqual(before)
  })

  it('refuses a chart of what is not measured', async () => {
    const { code, out, err } = await cellstate(['bench', '--chart', 'my chart.svg'])
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain("cellstate bench --scaling --chart 'my chart.svg'")
    expect(await cellstate(['bench', '--scaling', '--seconds', '0'])).toMatchObject({ code: 2, out: '' })
    expect(await cellstate(['bench', '--scaling', '--chart'])).toMatchObject({ code: 2, out: '' })
  })
})
