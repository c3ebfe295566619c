/** Texts in the manner of the sample: words far apart decide, and two have the same words in another order. */
export const SENTENCES = [
  'I would never say that the soup was awful.',
  'Although the soup was excellent, the service was terrible.',
  'Although the service was terrible, the soup was excellent.',
]
