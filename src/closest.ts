/** Finds the names that someone who mistyped a name probably meant. */

const MOST_NAMES = 3
const LARGEST_SHARE = 0.4
/** Names and lists beyond these lengths are not compared: the time of an error message stays in milliseconds. */
const LONGEST_NAME = 64
const MOST_CANDIDATES = 10_000

/**
 * Names of `candidates` close to `word`, the closest first, at most three.
 *
 * A name is close if its Damerau-Levenshtein distance (insert, delete, replace, swap of neighbours: the optimal
 * string alignment form; case ignored) is at most 40 % of the longer of the two lengths in code points. Equal
 * distances keep the order of `candidates`. `word` itself is never among the answers.
 */
export function closest(word: string, candidates: Iterable<string>): string[] {
  const typed = codePoints(word)
  const found: { name: string; distance: number }[] = []
  let compared = 0
  for (const name of candidates) {
    if (compared++ === MOST_CANDIDATES) break
    if (name === word || found.some(other => other.name === name)) continue
    const letters = codePoints(name)
    const length = Math.max(typed.length, letters.length)
    if (length > LONGEST_NAME) continue
    const most = Math.floor(length * LARGEST_SHARE)
    if (Math.abs(typed.length - letters.length) > most) continue
    const distance = alignmentDistance(typed, letters)
    if (distance > most) continue
    found.push({ name, distance })
    found.sort((a, b) => a.distance - b.distance)
    found.length = Math.min(found.length, MOST_NAMES)
  }
  return found.map(({ name }) => name)
}

/** The one line `did you mean "a" or "b"?`, or nothing if no candidate is close. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const names = closest(word, candidates).map(name => JSON.stringify(name))
  const last = names.pop()
  if (last === undefined) return undefined
  return `did you mean ${names.length === 0 ? last : `${names.join(', ')} or ${last}`}?`
}

function codePoints(name: string): string[] {
  return [...name.slice(0, 4 * LONGEST_NAME).toLowerCase()]
}

function alignmentDistance(a: readonly string[], b: readonly string[]): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replace = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      let best = Math.min(replace, last[j]! + 1, row[j - 1]! + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, beforeLast[j - 2]! + 1)
      }
      row.push(best)
    }
    beforeLast = last
    last = row
  }
  return last[b.length]!
}
