/** Classifies Yelp reviews as the article does with Keras: `node --import ./scripts/typescript.mjs examples/article.ts yelp.csv` after a build. */
import {
  adam,
  cleanText,
  dense,
  embedding,
  lstm,
  readCsv,
  sequential,
  Tokenizer,
  train,
  trainTestSplit,
} from 'cellstate'

const reviews: { text: string; label: number }[] = []
for await (const row of readCsv(process.argv[2] ?? 'yelp.csv')) {
  reviews.push({ text: cleanText(row.text!, { style: 'article' }), label: Number(row.stars) > 3 ? 1 : 0 })
}
const [training, test] = trainTestSplit(reviews, { testSize: 0.2, seed: 36 })
const tokenizer = new Tokenizer({ numWords: 2500 }).fitOnTexts(training.map(review => review.text))
const examples = (rows: typeof reviews) =>
  rows.map(row => ({ input: tokenizer.encode(row.text), target: row.label }))

const model = sequential(
  [
    embedding({ inputDim: 2500, outputDim: 128, dropout: 0.2 }),
    lstm({ units: 200, dropout: 0.2, recurrentDropout: 0.2 }),
    dense({ units: 2, activation: 'softmax' }),
  ],
  { seed: 36 },
)
console.log(model.summary())
const history = await train(model, examples(training), {
  loss: 'sparseCategoricalCrossentropy',
  optimizer: adam({ learningRate: 1e-3 }),
  batchSize: 32,
  epochs: 1,
  validation: examples(test),
  metrics: ['accuracy'],
})
console.log(history.epochs[0])
await model.save('sentiment.safetensors')
