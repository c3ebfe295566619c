/** Writes command lines that a person can copy into a shell. */

const PLAIN = /^[\w@%+=:,./-]+$/

/** `argument` as a shell takes it for one word. */
export function quoted(argument: string, platform: NodeJS.Platform = process.platform): string {
  const text = argument.startsWith('-') ? `./${argument}` : argument
  if (platform === 'win32') return /^[\w@+=:,./\\-]+$/.test(text) ? text : `"${text.replaceAll('"', '""')}"`
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
