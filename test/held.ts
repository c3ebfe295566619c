/** Measures how long work keeps the event loop to itself. */

/** Share of the time of `work` that the longest wait for a turn of the event loop took, from 0 to 1. */
export async function heldShare(work: () => Promise<unknown>): Promise<number> {
  let longest = 0
  let running = true
  let last = performance.now()
  const look = (): void => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
    if (running) setImmediate(look)
  }
  setImmediate(look)
  const begin = performance.now()
  await work()
  const seconds = performance.now() - begin
  running = false
  look()
  return longest / seconds
}
