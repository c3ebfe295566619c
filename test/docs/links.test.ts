import { existsSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { lexer, type Token, walkTokens } from 'marked'
import { describe, expect, it } from 'vitest'
import { documents, ROOT, readDocument } from './blocks.js'

/** Hosts that the documents lead to; what is there is not read by the tests. */
const HOSTS = ['arxiv.org', 'doi.org', 'keepachangelog.com', 'semver.org']

const FILES = [...documents(), 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md']

interface Link {
  file: string
  href: string
  image: boolean
}

function tokensOf(file: string): Token[] {
  const all: Token[] = []
  walkTokens(lexer(readDocument(file)), token => {
    all.push(token)
  })
  return all
}

const links: Link[] = FILES.flatMap(file =>
  tokensOf(file).flatMap(token =>
    token.type === 'link' || token.type === 'image'
      ? [{ file, href: token.href as string, image: token.type === 'image' }]
      : [],
  ),
)
const external = links.filter(({ href }) => /^[a-z]+:/.test(href))
const internal = links.filter(link => !external.includes(link))

/** Anchors of the headings, as GitHub makes them. */
function anchors(file: string): string[] {
  const seen = new Map<string, number>()
  return tokensOf(file).flatMap(token => {
    if (token.type !== 'heading') return []
    const name = (token.text as string)
      .toLowerCase()
      .replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '')
      .replaceAll(' ', '-')
    const count = seen.get(name) ?? 0
    seen.set(name, count + 1)
    return [count === 0 ? name : `${name}-${count}`]
  })
}

describe('the links of the documents', () => {
  it('are found', () => {
    expect(internal.length).toBeGreaterThan(10)
    expect(external.length).toBeGreaterThan(5)
  })

  it('lead to files of this repository that exist', () => {
    const dead = internal.filter(({ file, href }) => {
      const path = join(ROOT, dirname(file), decodeURIComponent(href.split('#')[0]!))
      return !existsSync(path) || !normalize(path).startsWith(ROOT)
    })
    expect(dead).toEqual([])
  })

  it('lead to headings that exist', () => {
    const dead = internal.filter(({ file, href }) => {
      const [path, anchor] = href.split('#')
      if (anchor === undefined) return false
      const target = path ? normalize(join(dirname(file), path)) : file
      return !statSync(join(ROOT, target)).isFile() || !anchors(target).includes(anchor)
    })
    expect(dead).toEqual([])
  })

  it('lead outside only to hosts that are listed, encrypted', () => {
    const strange = external.filter(({ href }) => {
      const url = new URL(href)
      return url.protocol !== 'https:' || !HOSTS.includes(url.hostname)
    })
    expect(strange).toEqual([])
  })

  it('show no image from elsewhere', () => {
    expect(external.filter(({ image }) => image)).toEqual([])
  })

  it('are not hidden in HTML', () => {
    const html = FILES.flatMap(file =>
      tokensOf(file).filter(({ type, raw }) => type === 'html' && !raw.startsWith('<!--')),
    )
    expect(html).toEqual([])
  })
})
