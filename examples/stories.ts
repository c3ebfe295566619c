/**
 * Stories in which the last word but one depends on a word that stands far before it: who somebody is tells what the day is
 * spent with. In a third of them somebody else is something, too, which must be ignored.
 */
import type { Random } from './random.ts'

/** What people are, and what they are passionate about. */
export const CALLINGS: ReadonlyMap<string, string> = new Map([
  ['chef', 'cooking'],
  ['painter', 'painting'],
  ['sailor', 'sailing'],
  ['gardener', 'gardening'],
  ['singer', 'singing'],
  ['dancer', 'dancing'],
  ['writer', 'writing'],
  ['teacher', 'teaching'],
  ['baker', 'baking'],
  ['skier', 'skiing'],
])
const CLUES = [...CALLINGS.keys()]

/** Least words between the clue and the blank. */
const NEAREST = 3

const SHE = ['Maria', 'Anna', 'Lucy', 'Emma', 'Clara', 'Nora', 'Alice', 'Julia']
const HE = ['Paul', 'Peter', 'Oscar', 'David', 'Simon', 'Henry', 'Victor', 'Leo']
const CITIES = ['New York', 'Boston', 'Paris', 'London', 'Rome', 'Vienna', 'Madrid', 'Lisbon']
const PLACES = ['restaurant', 'theatre', 'school', 'harbour', 'hotel', 'village', 'park', 'studio']
const PRAISE = ['well-known', 'small', 'famous', 'quiet', 'modern', 'old']
const THINGS = ['coffee', 'trains', 'rain', 'music', 'chess', 'maps', 'films', 'stamps', 'tea', 'snow']
const VERBS = ['likes', 'collects', 'misses', 'forgets', 'remembers', 'prefers']
const DAYS = ['Monday', 'Tuesday', 'Friday', 'Sunday']
const KIN = ['neighbour', 'cousin', 'uncle', 'friend']
const FILLERS = ['really', 'often', 'still', 'always', 'clearly', 'certainly', 'perhaps', 'simply']

/** A story with `____` in it, the word that belongs there, and what is told of it. */
export interface Story {
  text: string
  answer: string
  /** Words between the clue and the blank. */
  distance: number
  /** What would be right for the other person, if there is one. */
  other?: string
}

/** How many words a text has: "well-known" is two. */
const words = (text: string): number => text.match(/[\p{L}\p{N}]+/gu)?.length ?? 0

/**
 * A story with exactly `distance` words between the clue and the blank.
 *
 * @param isDistracting whether somebody else is something, too.
 */
export function story(distance: number, isDistracting: boolean, random: Random): Story {
  const one = <T>(list: readonly T[]): T => list[random(list.length)]!
  const female = random(2) === 0
  const [name, they, their] = female ? [one(SHE), 'she', 'her'] : [one(HE), 'he', 'his']
  const clue = one(CLUES)
  const distraction = isDistracting ? one(CLUES.filter(other => other !== clue)) : undefined
  const sentences: string[] = []
  const before: string[] = []
  const end = `${they} is always passionate about`
  if (distance < 5) {
    // "Maria the chef, …": no room for a sentence between.
    if (distraction) before.push(`${name}'s ${one(KIN)} is a ${distraction}.`)
    const short = distance === 3 ? 'is passionate about' : 'is always passionate about'
    return told([...before, `${name} the ${clue} ${short} ____.`], clue, distance, distraction)
  }
  let left = distance - words(end)
  const place = `in a ${one(PRAISE)} ${one(PLACES)} in ${one(CITIES)}`
  const opening = left >= words(place) && random(2) === 0 ? `${clue} ${place}.` : `${clue}.`
  left -= words(opening) - 1
  const asides = [
    () => `${they} ${one(VERBS)} ${one(THINGS)} and ${one(THINGS)}.`,
    () => `on ${one(DAYS)} ${they} went to ${one(CITIES)} with ${one(HE)}.`,
    () => `${their} ${one(KIN)} ${one(VERBS)} the ${one(PLACES)} in ${one(CITIES)}.`,
    () => `the ${one(PLACES)} was ${one(PRAISE)} and it was ${one(DAYS)}.`,
    () => `${one(SHE)} ${one(VERBS)} ${one(THINGS)}.`,
  ]
  const roles = [
    () => `${their} ${one(KIN)} is a ${distraction}.`,
    () => `on ${one(DAYS)} ${they} met a ${distraction} in ${one(CITIES)}.`,
    () => `${one(HE)} wants to be a ${distraction}.`,
  ]
  if (distraction) {
    const fitting = roles.map(role => role()).filter(sentence => words(sentence) <= left)
    // Where there is no room between, it stands before the clue.
    if (fitting.length > 0 && random(4) > 0) {
      const sentence = one(fitting)
      sentences.push(sentence)
      left -= words(sentence)
    } else {
      before.push(roles[2 * random(2)]!())
    }
  }
  for (;;) {
    const fitting = asides.map(aside => aside()).filter(sentence => words(sentence) <= left)
    if (fitting.length === 0) break
    const sentence = one(fitting)
    sentences.splice(random(sentences.length + 1), 0, sentence)
    left -= words(sentence)
  }
  const fillers = Array.from({ length: left }, () => one(FILLERS))
  const last = [they, 'is', ...fillers, 'always passionate about'].join(' ')
  return told(
    [...before, `${name} is a ${opening}`, ...sentences, `${last} ____.`],
    clue,
    distance,
    distraction,
  )
}

function told(sentences: readonly string[], clue: string, distance: number, distraction?: string): Story {
  const text = sentences.join(' ')
  return {
    text,
    answer: CALLINGS.get(clue)!,
    distance,
    ...(distraction && { other: CALLINGS.get(distraction)! }),
  }
}

/**
 * Stories with their answers, of distances from 3 to `farthest`: as many from 3 to 6 as from 6 to 12 or from 30 to 60. A
 * third of them is distracting.
 */
export function* stories(count: number, farthest: number, random: Random): Generator<string> {
  const distances = Array.from({ length: farthest - NEAREST + 1 }, (_, i) => NEAREST + i)
  for (let i = 0; i < count; i++) {
    const { text, answer } = story(oneInverse(distances, random), random(3) === 0, random)
    yield text.replace('____', answer)
  }
}

/** One of some numbers, each as often as 1 / it says. */
function oneInverse(numbers: readonly number[], random: Random): number {
  let place = random() * numbers.reduce((sum, number) => sum + 1 / number, 0)
  for (const number of numbers) {
    place -= 1 / number
    if (place < 0) return number
  }
  return numbers.at(-1)!
}
