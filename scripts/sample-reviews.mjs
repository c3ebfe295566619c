/**
 * Writes examples/reviews.csv: short restaurant reviews from a seeded grammar, made by this project.
 *
 * Whether a review is good depends on words far apart: negation, "but", "although", and an early clause
 * that turns a later one around. Every adjective stands as often in good reviews as in bad ones.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const REVIEWS = 3000
const GOOD = ['great', 'lovely', 'perfect', 'delicious', 'friendly', 'wonderful', 'excellent', 'charming']
const BAD = ['awful', 'terrible', 'bland', 'rude', 'dirty', 'horrible', 'boring', 'disappointing']
const THINGS = [
  'food',
  'service',
  'soup',
  'pasta',
  'dessert',
  'coffee',
  'music',
  'waiter',
  'terrace',
  'pizza',
  'salad',
  'wine',
]
const FILLERS = [
  'We came on a rainy Tuesday evening with two friends.',
  'It was our third visit this year and the place was half full.',
  'Parking took a while and we had to walk a few blocks.',
  'We sat near the window and ordered from the small menu.',
  'My sister picked the place because it is close to her office.',
  'The bill came after an hour and we paid by card.',
]

/** Mulberry32. */
function generator(seed) {
  let state = seed
  return count => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), 1 | state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * count)
  }
}

const random = generator(36)
const pick = list => list[random(list.length)]

function review(good) {
  const opinion = positive => pick(positive ? GOOD : BAD)
  const [a, b] = [pick(THINGS), pick(THINGS)]
  const filler = random(2) === 0 ? ` ${pick(FILLERS)}` : ''
  const templates = [
    () =>
      `The ${a} was ${opinion(!good)},${filler.toLowerCase().replace('.', ',')} but in the end the ${b} was ${opinion(good)}.`,
    () => `Although the ${a} was ${opinion(!good)}, the ${b} was ${opinion(good)}.${filler}`,
    () => `I would never say that the ${a} was ${opinion(!good)}.${filler}`,
    () => `I would always say that the ${a} was ${opinion(good)}.${filler}`,
    () =>
      `My neighbour is always wrong about restaurants.${filler} This time he told me that the ${a} was ${opinion(!good)}.`,
    () =>
      `My neighbour is always right about restaurants.${filler} This time he told me that the ${a} was ${opinion(good)}.`,
  ]
  return pick(templates)()
}

const seen = new Set()
const rows = ['stars,text']
while (seen.size < REVIEWS) {
  const good = seen.size % 2 === 0
  const text = review(good)
  if (seen.has(text)) continue
  seen.add(text)
  rows.push(`${good ? 4 + random(2) : 1 + random(3)},"${text}"`)
}
writeFileSync(fileURLToPath(new URL('../examples/reviews.csv', import.meta.url)), `${rows.join('\n')}\n`)
