/**
 * Ends 32 workers in the middle of their training, half of them from outside and half by their own `process.exit`. Then
 * the main thread trains as app.cjs does, to show that the process is sound.
 */
const path = require('node:path')
const { isMainThread, parentPort, Worker, workerData } = require('node:worker_threads')

const WORKERS = 32

async function trainForever({ exits, after }) {
  const { dense, embedding, lstm, sequential, train } = require('cellstate')
  const model = sequential([embedding({ inputDim: 50, outputDim: 32 }), lstm({ units: 64 }), dense({ units: 1 })])
  const examples = Array.from({ length: 64 }, (_, i) => ({
    input: Array.from({ length: 60 }, (_, j) => (i * j) % 50),
    target: [i % 2],
  }))
  let steps = 0
  for await (const _ of train(model, examples, { loss: 'meanSquaredError', epochs: 100_000 })) {
    if (steps++ === 0) parentPort.postMessage('training')
    // Not between two steps: while the next one is computed.
    if (exits && steps === 2) setTimeout(() => process.exit(0), after)
  }
}

function endOne(index) {
  const workerData = { exits: index % 2 === 1, after: index % 16 }
  return new Promise((resolve, reject) => {
    const worker = new Worker(__filename, { workerData })
    let trained = false
    worker.on('message', () => {
      trained = true
      if (!workerData.exits) setTimeout(() => worker.terminate(), workerData.after)
    })
    worker.on('error', reject)
    worker.on('exit', () => (trained ? resolve() : reject(new Error(`worker ${index} ended before it trained`))))
  })
}

if (isMainThread) {
  Promise.all(Array.from({ length: WORKERS }, (_, i) => endOne(i))).then(
    () => require(path.join(__dirname, 'app.cjs')),
    error => {
      console.error(error)
      process.exit(1)
    },
  )
} else {
  trainForever(workerData)
}
