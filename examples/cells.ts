/** The cells that are compared, in the order of the tables. */
export const CELLS = ['simple RNN', 'GRU', 'LSTM', 'LSTM, chrono'] as const
export type Cell = (typeof CELLS)[number]

/** Rules of style of a picture: a class for every cell, in their order. */
export const CELL_RULES = {
  light: [
    '.cell-0 { stroke: #bc4c00; }',
    '.cell-1 { stroke: #6639ba; stroke-dasharray: 11 4; }',
    '.cell-2 { stroke: #0969da; }',
    '.cell-3 { stroke: #1a7f37; stroke-dasharray: 11 4 3 4; }',
  ],
  dark: [
    '.cell-0 { stroke: #f0883e; }',
    '.cell-1 { stroke: #bc8cff; }',
    '.cell-2 { stroke: #58a6ff; }',
    '.cell-3 { stroke: #3fb950; }',
  ],
}
