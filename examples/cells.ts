/** The cells that are compared, in the order of the tables. */
export const CELLS = ['simple RNN', 'GRU', 'LSTM', 'LSTM, chrono'] as const
export type Cell = (typeof CELLS)[number]
