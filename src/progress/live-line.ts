/** The one line of a terminal that is redrawn in place. */
import type { Measure } from '../terminal.js'
import type { Screen } from './show.js'

const FEWEST_COLUMNS = 20
/** What a terminal that does not tell its size is taken for. */
const USUAL_COLUMNS = 80

/**
 * Draws a text, clears the rest of the screen behind it and puts the cursor at its begin. A terminal that folds the
 * line when it becomes narrower moves the cursor with the begin, so the next drawing clears all of its rows; and one
 * that cuts the line keeps the rows above.
 */
export class LiveLine {
  readonly #screen: Screen
  readonly #measure: Measure
  #drawn: string | undefined

  constructor(screen: Screen, measure: Measure) {
    this.#screen = screen
    this.#measure = measure
  }

  /** Columns that a line may take without being folded. */
  get columns(): number {
    return Math.max(FEWEST_COLUMNS, this.#screen.columns || USUAL_COLUMNS) - 1
  }

  /** Shows `text`, cut to the terminal; `painted` is what is written if it was not cut. */
  draw(text: string, painted = text): void {
    const short = this.#measure.cut(text, this.columns)
    const line = short === text ? painted : short
    if (line === this.#drawn) return
    if (this.#drawn === undefined) process.once('exit', this.clear)
    this.#drawn = line
    this.#screen.err(`\r${line}\x1b[J\r`)
  }

  /** Takes the line away; what is written next stands in its place. */
  readonly clear = (): void => {
    if (this.#drawn === undefined) return
    this.#drawn = undefined
    process.removeListener('exit', this.clear)
    this.#screen.err('\r\x1b[J')
  }
}
