/**
 * The made-up reviews that `cellstate demo` trains on, and that are examples/reviews.csv: from a seeded grammar, written
 * by this project. No guest, no kitchen and no neighbour in them is real.
 *
 * Whether a review is good hangs on words far apart: a word of praise or complaint counts as it stands, is taken back
 * ("nobody found …", "anything but"), loses to another one ("although", "but"), or comes from somebody who is always
 * wrong. All words stand in good and in bad reviews, words of praise in only a few more good ones; what lies between
 * the words that count has any length and says nothing. No sentence stands in two reviews.
 *
 * The same seed gives the same bytes: all arithmetic is on whole numbers.
 */

/** A made-up review. */
export interface SampleReview {
  /** 1 to 5; good reviews have more than 3. */
  stars: number
  text: string
}

type Kind = 'food' | 'staff' | 'place' | 'other'
type Words = { readonly any: readonly string[] } & Partial<Readonly<Record<Kind, readonly string[]>>>
type Trust = 'right' | 'wrong'
type Trusted = Readonly<Record<Trust, readonly string[]>>
type Text = () => string

interface Subject {
  readonly name: string
  readonly kind: Kind
  readonly plural: boolean
}

const REVIEWS = 3600
const SEED = 36
const FEWEST_WORDS = 10
const MOST_WORDS = 45

/** Per cent of the reviews that say outright, take back, weigh and expect; the rest tells what somebody says. */
const SHARES: Readonly<Record<string, number>> = { plain: 44, negated: 14, weighed: 17, expected: 8 }

const subjects = (kind: Kind, plural: boolean, names: readonly string[]): Subject[] =>
  names.map(name => ({ name: `the ${name}`, kind, plural }))
/** What is judged. */
const SUBJECTS: readonly Subject[] = [
  ...subjects('food', false, [
    'soup',
    'goulash',
    'risotto',
    'curry',
    'paella',
    'omelette',
    'dessert',
    'fish',
  ]),
  ...subjects('food', false, ['salad', 'cheesecake', 'apple pie']),
  ...subjects('food', true, ['dumplings', 'noodles', 'pancakes', 'mussels', 'meatballs', 'puddings']),
  ...subjects('staff', false, ['waiter', 'bartender', 'hostess', 'service']),
  ...subjects('staff', true, ['waiters', 'cooks']),
  ...subjects('place', false, ['dining room', 'terrace', 'garden', 'back room']),
  ...subjects('other', false, ['music', 'wine list', 'coffee', 'view']),
]

/** Words of praise and of complaint: for everything, and for one kind. */
const GOOD: Words = {
  any: ['wonderful', 'excellent', 'superb', 'lovely', 'marvellous', 'delightful', 'splendid', 'fantastic'],
  food: ['delicious', 'tasty', 'heavenly'],
  staff: ['friendly', 'attentive', 'polite'],
  place: ['cosy', 'inviting', 'spotless'],
}
const BAD: Words = {
  any: ['awful', 'terrible', 'dreadful', 'horrible', 'disappointing', 'miserable', 'abysmal', 'appalling'],
  food: ['bland', 'tasteless', 'oversalted'],
  staff: ['rude', 'grumpy', 'careless'],
  place: ['shabby', 'gloomy', 'filthy'],
}

const PEOPLE = [
  { name: 'my neighbour', pronoun: 'he' },
  { name: 'my dentist', pronoun: 'she' },
  { name: 'our landlady', pronoun: 'she' },
  { name: 'my uncle', pronoun: 'he' },
  { name: 'my aunt', pronoun: 'she' },
  { name: 'the taxi driver', pronoun: 'he' },
  { name: 'my chess teacher', pronoun: 'she' },
  { name: 'our postman', pronoun: 'he' },
  { name: 'my brother-in-law', pronoun: 'he' },
  { name: 'my hairdresser', pronoun: 'she' },
  { name: 'our old geography teacher', pronoun: 'he' },
  { name: 'the lady from the kiosk', pronoun: 'she' },
  { name: 'my former boss', pronoun: 'he' },
  { name: 'the critic of the local paper', pronoun: 'she' },
]
const WHO = [
  'who collects stamps',
  'who once lived in Lisbon',
  'who repairs accordions',
  'who walks two dachshunds',
  'who owns a very small boat',
  'who paints lighthouses',
  'who keeps bees on a roof',
  'who plays the tuba',
  'who sells umbrellas',
  'who is learning Finnish',
  'who cycles everywhere',
  'who reads maps for fun',
  'who has eleven cousins',
  'who wears a hat indoors',
  'who never misses a tram',
  'who sings in two choirs',
]
/** What is known of a person, or turns out: for those to believe, and for those not to. */
const KNOWN: Trusted = {
  right: ['is always right about restaurants', 'has a fine tongue', 'knows every kitchen in town'],
  wrong: ['is always wrong about restaurants', 'has no taste at all', 'gets everything backwards'],
}
const PROVED: Trusted = { right: ['was right', 'had told the truth'], wrong: ['was wrong', 'had made it up'] }
const ADVICE: Trusted = {
  right: ['believe every word', 'that is how it is'],
  wrong: ['believe the opposite', 'do not listen'],
}
const OUTCOME: Trusted = {
  right: ['that is what we got', 'so it came to pass'],
  wrong: ['it was quite the opposite', 'we could not have been more mistaken'],
}
const READERS: Trusted = {
  right: ['has our full agreement', 'has been here with open eyes'],
  wrong: ['must have eaten somewhere else', 'should see a doctor'],
}

const DAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday']
const WEATHER = ['rainy', 'windy', 'foggy', 'mild', 'snowy', 'sunny', 'cloudy', 'chilly']
const MONTHS = ['January', 'March', 'April', 'May', 'June', 'August', 'September', 'November']
const COUNTS = ['three', 'four', 'five', 'six', 'seven', 'eight']
const COMPANY = [
  'two colleagues',
  'my sister',
  'an old school friend',
  'three cousins from Ghent',
  'half of our football team',
  'a party of nine',
  'the children',
  'our Portuguese visitors',
  'my parents',
  'the whole book club',
  'a friend of a friend',
  "somebody else's dog",
]
const SEATS = [
  'took the table by the window',
  'sat near the door',
  'sat upstairs under a painted ship',
  'waited a moment at the bar',
  'hung our coats on a wooden goose',
  'shared a long table with a chess club',
  'found a corner behind the piano',
  'sat below a map of Iceland',
  'ordered from the short menu',
  'asked for the menu of the day',
]
const PASSERS = [
  'a brass band',
  'a parade of tractors',
  'a wedding party',
  'a group of cyclists',
  'the number nine tram',
  'a man with a ladder',
  'a lorry full of pumpkins',
  'a class of schoolchildren',
  'a very slow dog',
  'a woman with six balloons',
]
const PASSING = [
  'passed by the window',
  'crossed the square',
  'turned around twice',
  'waited at the corner',
  'went up the hill',
  'stopped outside for a minute',
  'moved along the canal',
  'circled the church',
]
const OURSELVES = [
  'we read the menu',
  'we drew a sheep on a napkin',
  'we talked about trains',
  'we counted our coins',
  'we looked for a pen',
  'we played a round of cards',
  'we finished a crossword',
  'we watched the clock',
]
const MANNER = [
  'in a blue bowl',
  'on a wooden board',
  'with a sprig of parsley',
  'under a silver lid',
  'on a plate shaped like a leaf',
  'with a paper flag',
  'in two portions',
  'with a slice of lemon',
]
const MOMENTS = [
  'after twenty minutes',
  'at half past seven',
  'around noon',
  'before the others had arrived',
  'shortly after the bread',
  'between two phone calls',
  'just before the rain began',
  'when the church bells rang',
]
const SOUNDS = [
  'an accordion',
  'two violins',
  'a distant football match',
  'a coffee mill',
  'church bells',
  'rain',
]
const LEAVING = [
  'paid by card',
  'split the bill in four',
  'paid in coins',
  'left at ten',
  'walked home along the canal',
  'took the last tram',
  'caught the bus at the corner',
  'wrote this on the way home',
]
const MEALS = [
  'lunch',
  'dinner',
  'a late breakfast',
  'a birthday',
  'a quick bite',
  'a meeting',
  'an anniversary',
]
const REASONS = [
  'because it is close to the station',
  'because the kitchen at home was being painted',
  'after a walk around the lake',
  'on the way to the theatre',
  'since the museum was closed',
  'because somebody had won a bet',
  'after the football match',
  'to celebrate a new bicycle',
]

/** Mulberry32: whole numbers below `count`. */
function generator(seed: number): (count: number) => number {
  let state = seed
  return count => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), 1 | state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * count)
  }
}

/** The reviews in their order: `{ stars, text }`, good and bad ones in turn. */
export function sampleReviews(count: number = REVIEWS, seed: number = SEED): SampleReview[] {
  const random = generator(seed)
  const pick = <T>(list: readonly T[]): T => list[random(list.length)]!
  const chance = (percent: number): boolean => random(100) < percent
  const make = (forms: readonly Text[]): string => pick(forms)()

  const was = ({ name, plural }: Subject): string => `${name} ${plural ? 'were' : 'was'}`
  const opinion = (good: boolean, { kind }: Subject): string => {
    const words = good ? GOOD : BAD
    return pick(chance(50) ? words.any : (words[kind] ?? words.any))
  }
  const judged = (good: boolean, subject: Subject): string => `${was(subject)} ${opinion(good, subject)}`
  const person = (): { name: string; pronoun: string } => {
    const { name, pronoun } = pick(PEOPLE)
    return { name: chance(40) ? `${name}, ${pick(WHO)},` : name, pronoun }
  }

  /** What stays the same within a review. */
  const newVisit = () => ({
    day: `${pick(WEATHER)} ${pick(DAYS)}`,
    month: pick(MONTHS),
    number: pick(COUNTS),
    company: pick(COMPANY),
  })
  let visit: ReturnType<typeof newVisit>

  const meanwhile: Text = () => `while ${pick(PASSERS)} ${pick(PASSING)}`
  const aside: Text = () =>
    make([
      meanwhile,
      () => `as we noticed ${pick(MOMENTS)}`,
      () => `on that ${visit.day}`,
      () => `to the sound of ${pick(SOUNDS)}`,
    ])
  /** Words between commas, or none. */
  const between: Text = () => (chance(40) ? '' : `, ${aside()},`)
  /** A subject, often with something about it that says nothing. */
  const described = (subject: Subject): string => {
    if (subject.kind === 'food' && chance(40))
      return `${subject.name}, which came ${pick(MANNER)} ${pick(MOMENTS)},`
    return subject.name + between()
  }
  const judgedLater = (good: boolean, subject: Subject): string =>
    `${was({ ...subject, name: described(subject) })} ${opinion(good, subject)}`

  /** A sentence before the verdict, which says nothing about the restaurant. */
  const opening: Text = () =>
    make([
      () => `we came on a ${visit.day} with ${visit.company} and ${pick(SEATS)}`,
      () => `${person().name} had booked for ${pick(MEALS)} ${pick(REASONS)}`,
      () => `we had come for ${pick(MEALS)} ${pick(REASONS)} and ${pick(SEATS)}`,
      () => `in ${visit.month} we were here with ${visit.company} ${pick(REASONS)}`,
      () => `it was our visit number ${visit.number}, and ${pick(OURSELVES)} ${meanwhile()}`,
      () => `with ${visit.company} we ${pick(SEATS)}, and ${pick(OURSELVES)}`,
      () => `${pick(PASSERS)} ${pick(PASSING)} while ${pick(OURSELVES)}`,
    ])
  /** The same after it. */
  const closing: Text = () =>
    make([
      () => `${pick(MOMENTS)} ${pick(OURSELVES)}, and then we ${pick(LEAVING)}`,
      () => `we ${pick(LEAVING)} ${meanwhile()}`,
      () => `in the end ${pick(PASSERS)} ${pick(PASSING)}, and we ${pick(LEAVING)}`,
      () => `${person().name} came by ${pick(MOMENTS)}, and together we ${pick(LEAVING)}`,
    ])

  const plain = (good: boolean, a: Subject): Text[] => [
    () => judgedLater(good, a),
    () => `everybody at our table${between()} found ${a.name} ${opinion(good, a)}`,
    () => `I would always say that ${judgedLater(good, a)}`,
    () => `it is true that ${judgedLater(good, a)}`,
    () => `on each of our ${visit.number} visits${between()} ${judged(good, a)}`,
    () => `I can see why people${between()} call ${a.name} ${opinion(good, a)}`,
  ]
  const negated = (good: boolean, a: Subject): Text[] => [
    () => `${was({ ...a, name: described(a) })} anything but ${opinion(!good, a)}`,
    () => `nobody at our table${between()} found ${a.name} ${opinion(!good, a)}`,
    () => `I would never say that ${judgedLater(!good, a)}`,
    () => `it is not true that ${judgedLater(!good, a)}`,
    () =>
      `on none of our ${visit.number} visits${between()} ${a.plural ? 'were' : 'was'} ${a.name} ${opinion(!good, a)}`,
    () => `I cannot see why people${between()} call ${a.name} ${opinion(!good, a)}`,
  ]
  /** Two opinions, of which that of the main clause wins. */
  const weighed = (good: boolean, a: Subject, b: Subject): Text[] => [
    () => `${judgedLater(!good, a)}${between() || ','} but ${judged(good, b)}`,
    () => `although ${judgedLater(!good, a)}, ${judgedLater(good, b)}`,
    () => `${judged(good, b)}${between()} although ${judged(!good, a)}`,
    () => `unlike the inn next door, where ${judgedLater(!good, a)}, ${judgedLater(good, b)}`,
  ]
  /** An opinion from before the visit, or of other guests, and whether it held. */
  const expected = (good: boolean, a: Subject): Text[] => {
    const held: Trust = chance(50) ? 'right' : 'wrong'
    const word = opinion(good === (held === 'right'), a)
    return [
      () => `we had expected ${a.name} to be ${word}${between() || ','} and ${pick(OUTCOME[held])}`,
      () => `anybody who calls ${a.name} ${word}${between()} ${pick(READERS[held])}`,
    ]
  }
  /** An opinion of somebody who is right or wrong. */
  const reported = (good: boolean, a: Subject): Text[] => {
    const { name, pronoun } = person()
    const trust: Trust = chance(50) ? 'right' : 'wrong'
    const same = good === (trust === 'right')
    const never = chance(50)
    return [
      () => `${name} ${pick(KNOWN[trust])}: ${meanwhile()}, ${pronoun} told us that ${judged(same, a)}`,
      () =>
        `${name} told us that ${judged(same, a)}, and ${meanwhile()} we saw that ${pronoun} ${pick(PROVED[trust])}`,
      () => `if ${name} says that ${judged(same, a)}${between() || ','} ${pick(ADVICE[trust])}`,
      () =>
        `${name} ${pick(KNOWN[trust])} and would ${never ? 'never' : 'always'} say that ${judgedLater(same !== never, a)}`,
    ]
  }

  const verdict = (good: boolean): { form: string; words: string } => {
    const a = pick(SUBJECTS)
    let b = pick(SUBJECTS)
    while (b.kind === a.kind) b = pick(SUBJECTS)
    const forms = { plain, negated, weighed, expected, reported }
    let rest = random(100)
    const form = (Object.keys(forms) as (keyof typeof forms)[]).find(name => {
      rest -= SHARES[name] ?? 100
      return rest < 0
    })!
    return { form, words: make(forms[form](good, a, b)) }
  }
  /** Mixed reviews get the stars in the middle. */
  const starsOf = (good: boolean, form: string): number => {
    if (form === 'weighed') return good ? 4 : 2 + random(2)
    return good ? 4 + random(2) : 1 + random(2)
  }

  const sentence = (words: string): string => `${words[0]!.toUpperCase()}${words.slice(1)}.`
  const review = (good: boolean): { stars: number; sentences: string[] } => {
    visit = newVisit()
    const { form, words } = verdict(good)
    const sentences = [words]
    if (chance(40)) sentences.unshift(opening())
    if (chance(30)) sentences.push(closing())
    return { stars: starsOf(good, form), sentences: sentences.map(sentence) }
  }

  const used = new Set<string>()
  const reviews: SampleReview[] = []
  while (reviews.length < count) {
    const good = reviews.length % 2 === 0
    const { stars, sentences } = review(good)
    const text = sentences.join(' ')
    const words = text.split(' ').length
    if (words < FEWEST_WORDS || words > MOST_WORDS || sentences.some(sentence => used.has(sentence))) continue
    for (const sentence of sentences) used.add(sentence)
    reviews.push({ stars, text })
  }
  return reviews
}

/** The text of examples/reviews.csv. */
export function sampleCsv(): string {
  const rows = sampleReviews().map(({ stars, text }) => `${stars},"${text}"\n`)
  return `stars,text\n${rows.join('')}`
}
