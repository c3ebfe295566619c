/** Where the benchmark keeps and finds things. */
import path from 'node:path'

/** The repository. */
export const ROOT = path.join(__dirname, '..')
/** The folder of the installed peers; ignored by git. */
export const PEERS = path.join(__dirname, '.peers')
/** The folder of the generated workloads; ignored by git. */
export const WORKLOADS = path.join(__dirname, '.workloads')
/** The folder of the engines. */
export const ENGINES = path.join(__dirname, 'engines')
/** Measured results, committed. */
export const RESULTS = path.join(__dirname, 'results')
/** The Python that `npm run bench:install` made. */
export const VENV_PYTHON = path.join(
  PEERS,
  'venv',
  ...(process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']),
)
/** The Python that runs peers: `CELLSTATE_BENCH_PYTHON`, else the installed one. */
export const PYTHON = process.env.CELLSTATE_BENCH_PYTHON ?? VENV_PYTHON
