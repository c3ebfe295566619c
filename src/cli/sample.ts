/** The made-up reviews that `cellstate demo` trains on. */
import path from 'node:path'

/** Their file, at the same place in a checkout and in an installed package. */
export const SAMPLE = path.join(__dirname, '..', '..', 'examples', 'reviews.csv')

/** Texts in the manner of the sample: words far apart decide, and two have the same words in another order. */
export const SENTENCES = [
  'I would never say that the soup was awful.',
  'Although the soup was excellent, the service was terrible.',
  'Although the service was terrible, the soup was excellent.',
]
