/** Help texts: examples first, at most 40 lines of 80 columns. */
import type { Command, Help } from 'commander'
import { VERSION } from '../native/load.js'
import { SENTENCES } from './sample/sentences.js'

/** Command lines by the name of their command, without the program's name; each runs as it stands. */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  cellstate: [
    'demo',
    'train reviews.csv --label stars --positive ">3"',
    'evaluate model.safetensors reviews.csv',
    'predict model.safetensors "The food was great."',
  ],
  demo: ['demo', 'demo --out first.safetensors --json', 'demo --csv reviews.csv'],
  train: [
    'train reviews.csv --label stars --positive ">3"',
    'train reviews.csv --label stars --recipe article --seed 1 --json',
  ],
  'train --task language': [
    'train play.txt --task language --units 64 --out play.safetensors',
    'train play.txt --task language --level word --direction both',
  ],
  generate: [
    'generate play.safetensors --prompt "ROMEO:" --temperature 0.8',
    'generate play.safetensors --top-p 0.9 --seed 7 --json',
  ],
  fill: ['fill model.safetensors "O ____, why art ____ here?" --top 3'],
  perplexity: ['perplexity play.safetensors play.txt --rows 8'],
  evaluate: ['evaluate model.safetensors reviews.csv', 'evaluate model.safetensors reviews.csv --json'],
  predict: [
    'predict model.safetensors "The food was great."',
    'predict model.safetensors --input reviews.csv --out out.csv',
  ],
  inspect: ['inspect model.safetensors', 'inspect model.safetensors --json'],
  bench: [
    'bench --seconds 2',
    'bench --seconds 2 --threads 1 --json',
    'bench --scaling --seconds 2 --chart scaling.svg',
  ],
  doctor: ['doctor', 'doctor --json', 'doctor reviews.csv --label stars --positive ">3"'],
}

const WIDTH = 80
const EXIT_CODES = 'Exit codes: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C, 143 SIGTERM'
const ALL_EXIT_CODES = `${EXIT_CODES},
            4 doctor found a fault`
const DOCS = 'Docs: README.md of the package'

/** What `cellstate` alone prints: what it is, and three commands to copy. */
export function introduction(program: string): string {
  return `cellstate ${VERSION}: trains LSTM networks on the processor of this computer

Try it in an empty folder; the reviews are included, nothing is downloaded:

  ${program} demo
  ${program} predict demo.safetensors "${SENTENCES[0]}"
  ${program} inspect demo.safetensors

Your own texts, in a CSV file with a column of texts and a column of labels:

  ${program} train reviews.csv --text text --label stars --positive ">3"

Something does not work: ${program} doctor
All commands and options: ${program} --help
${DOCS}
`
}

/** The help of a command. */
export function helpText(command: Command, help: Help, program: string): string {
  const isProgram = command.parent === null
  const name = isProgram ? program : `${program} ${command.name()}`
  const items = (title: string, list: readonly (readonly [string, string])[]): string[] => {
    if (list.length === 0) return []
    const width = Math.max(...list.map(([term]) => term.length))
    return ['', title, ...list.map(([term, text]) => help.formatItem(term, width, text, help))]
  }
  help.helpWidth = WIDTH
  return [
    `${name}: ${help.commandDescription(command)}`,
    '',
    'Examples:',
    ...(EXAMPLES[keyOf(command)] ?? []).map(line => `  ${program} ${line}`),
    '',
    `Usage: ${name} ${command.usage()}`,
    ...items(
      'Arguments:',
      help.visibleArguments(command).map(argument => [argument.name(), help.argumentDescription(argument)]),
    ),
    ...items(
      'Commands:',
      help.visibleCommands(command).map(sub => [termOf(sub), help.subcommandDescription(sub)]),
    ),
    ...items(
      'Options:',
      help.visibleOptions(command).map(option => [help.optionTerm(option), help.optionDescription(option)]),
    ),
    '',
    isProgram
      ? ALL_EXIT_CODES
      : command.name() === 'doctor'
        ? 'Exit codes: 0 fine, 4 a fault was found'
        : EXIT_CODES,
    isProgram ? `${DOCS}; more: ${program} train --help` : `${DOCS}; all commands: ${program} --help`,
    '',
  ].join('\n')
}

/** Where its examples stand: `train` has two helps. */
function keyOf(command: Command): string {
  const isLanguage = command.options.some(({ long }) => long === '--vocabulary-size')
  return isLanguage ? 'train --task language' : command.name()
}

/** `evaluate <model> <file>`. */
function termOf(command: Command): string {
  const names = command.registeredArguments.map(argument => {
    const name = `${argument.name()}${argument.variadic ? '...' : ''}`
    return argument.required ? `<${name}>` : `[${name}]`
  })
  return [command.name(), ...names].join(' ')
}
