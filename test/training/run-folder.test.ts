import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadModel, RunFolder, train } from '../../src/index.js'
import { examples, smallModel as newModel, temporaryFolder } from '../reviews.js'

const folder = temporaryFolder()
const options = { loss: 'categoricalCrossentropy', batchSize: 8, epochs: 3, validation: examples(8) } as const

describe('RunFolder', () => {
  it('gives every run a folder of its own, those that begin at once too', async () => {
    const root = path.join(folder, 'numbered', 'runs')
    const runs = await Promise.all(Array.from({ length: 4 }, () => RunFolder.create({ root, name: 'a' })))
    expect(runs.map(run => path.basename(run.path)).sort()).toEqual(['a', 'a2', 'a3', 'a4'])
    expect((await RunFolder.create({ root })).path).toBe(path.join(root, 'train'))
  })

  it('keeps what the run is made of, and what it leads to', async () => {
    const run = await RunFolder.create({
      root: path.join(folder, 'kept'),
      config: { epochs: 3, text: 'größe' },
    })
    using model = newModel()
    await train(model, examples(40), {
      ...options,
      callbacks: run.callbacks({ every: 2, keep: 2 }),
      resume: run.checkpoints,
    })
    expect(
      readdirSync(run.path)
        .map(name => name.replace(/(tfevents).*/, '$1'))
        .sort(),
    ).toEqual([
      'best.safetensors',
      'checkpoints',
      'config.json',
      'events.out.tfevents',
      'history.csv',
      'last.safetensors',
    ])
    expect(readdirSync(run.checkpoints)).toHaveLength(2)
    expect(readFileSync(run.history, 'utf8').split('\n')).toHaveLength(5)
    using last = await loadModel(run.last)
    expect(await last.sha256()).toBe(await model.sha256())
    expect(existsSync(run.best)).toBe(true)
    const again = await RunFolder.open(run.path)
    expect(again.config).toEqual(run.config)
    expect(again.config).toMatchObject({
      epochs: 3,
      text: 'größe',
      cellstate: expect.any(String),
      node: process.version,
    })
    using other = newModel()
    await train(other, examples(40), { ...options, callbacks: again.callbacks(), resume: again.checkpoints })
    expect(await other.sha256()).toBe(await model.sha256())
  })

  it('refuses what is no run, and names that are paths', async () => {
    await expect(RunFolder.open(path.join(folder, 'none'))).rejects.toMatchObject({ code: 'ERR_FILE' })
    const broken = path.join(folder, 'broken')
    mkdirSync(broken)
    writeFileSync(path.join(broken, 'config.json'), '{"epochs": 3')
    await expect(RunFolder.open(broken)).rejects.toMatchObject({ code: 'ERR_DATA' })
    await expect(RunFolder.create({ root: path.join(broken, 'config.json') })).rejects.toMatchObject({
      code: 'ERR_FILE',
    })
    await expect(RunFolder.create({ name: '../a' })).rejects.toThrow(
      'options.name must be a name without folders',
    )
    await expect(RunFolder.create({ nam: 'a' } as never)).rejects.toThrow('did you mean "name"?')
    const run = await RunFolder.create({ root: path.join(folder, 'options') })
    expect(() => run.callbacks({ tensorBoard: 1 } as never)).toThrow('options.tensorBoard must be a boolean')
  })
})
