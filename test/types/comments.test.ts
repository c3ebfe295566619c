/** Looks at the sources as an editor does: everything that the package exports has a comment that is shown there. */
import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile)
const { options, fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT)
const program = ts.createProgram(fileNames, options)
const checker = program.getTypeChecker()
const index = program.getSourceFile(join(ROOT, 'src/index.ts'))!

/** The symbol that an export stands for. */
function target(symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
}

/** What a module exports; of a module that is exported as a whole, as `metrics`, all that is in it. */
function exportsOf(module: ts.Symbol): ts.Symbol[] {
  return checker
    .getExportsOfModule(module)
    .map(target)
    .flatMap(symbol => (symbol.flags & ts.SymbolFlags.ValueModule ? exportsOf(symbol) : [symbol]))
}

const exported = exportsOf(checker.getSymbolAtLocation(index)!)

function isHidden(symbol: ts.Symbol): boolean {
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected
  return (symbol.declarations ?? []).every(
    declaration =>
      (ts.getCombinedModifierFlags(declaration) & hidden) !== 0 ||
      (ts.isNamedDeclaration(declaration) && ts.isPrivateIdentifier(declaration.name)) ||
      ts.getJSDocTags(declaration).some(tag => tag.tagName.text === 'internal'),
  )
}

const hasComment = (symbol: ts.Symbol): boolean => {
  const [declaration] = symbol.declarations ?? []
  // A namespace is a file, which says at its head what it holds.
  if (declaration !== undefined && ts.isSourceFile(declaration)) return declaration.text.startsWith('/**')
  return ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim() !== ''
}

/** Whether a member is declared here, and not what the language itself asks for, as `name` of errors or an iterator. */
const isOwn = ({ name, declarations = [] }: ts.Symbol): boolean =>
  !name.startsWith('__@') &&
  declarations.some(
    node =>
      node.getSourceFile().fileName.startsWith(join(ROOT, 'src/')) &&
      !(ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Override),
  )

/** Public members of an interface or a class. */
function membersOf(symbol: ts.Symbol): ts.Symbol[] {
  if (!(symbol.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Interface))) return []
  const instance = checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol))
  const statics = [...(symbol.exports?.values() ?? [])].filter(
    ({ flags }) => !(flags & ts.SymbolFlags.Prototype),
  )
  return [...instance, ...statics].filter(member => isOwn(member) && !isHidden(member))
}

/** `Model.predict`: names of the members without a comment. */
function undocumented(symbols: readonly ts.Symbol[]): string[] {
  return symbols.flatMap(symbol =>
    membersOf(symbol).flatMap(member => (hasComment(member) ? [] : [`${symbol.name}.${member.name}`])),
  )
}

const isOptions = ({ name }: ts.Symbol): boolean => name.endsWith('Options') || name === 'TextColumns'

describe('what src/index.ts exports', () => {
  it('is found', () => {
    expect(exported.length).toBeGreaterThan(70)
    expect(exported.filter(isOptions).length).toBeGreaterThan(15)
    expect(membersOf(exported.find(({ name }) => name === 'TrainOptions')!).length).toBeGreaterThan(8)
    expect(membersOf(exported.find(({ name }) => name === 'Model')!).length).toBeGreaterThan(15)
  })

  it('has a comment on every symbol', () => {
    expect(exported.filter(symbol => !hasComment(symbol)).map(({ name }) => name)).toEqual([])
  })

  it('has a comment on every option', () => {
    expect(undocumented(exported.filter(isOptions))).toEqual([])
  })

  it('has a comment on every member of its classes and interfaces', () => {
    expect(undocumented(exported.filter(symbol => !isOptions(symbol)))).toEqual([])
  })

  it('says the default of every option that may be left out', () => {
    const silent = exported.filter(isOptions).flatMap(symbol =>
      membersOf(symbol)
        .filter(({ flags }) => flags & ts.SymbolFlags.Optional)
        .filter(member => {
          const comment = ts.displayPartsToString(member.getDocumentationComment(checker))
          return !/default|without|stops|called/i.test(comment)
        })
        .map(member => `${symbol.name}.${member.name}`),
    )
    expect(silent).toEqual([])
  })
})
