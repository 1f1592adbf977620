// Country facts in both languages and the one fifth of (country, attribute) pairs that no training picture asks about.
// Chinese names of countries, languages and currencies come from the CLDR data inside Node.
import { capitalsZh } from './capitals.js'
import { packageJson } from './paths.js'
import { crc32 } from './random.js'
import type { Qa } from './records.js'

export const attributes = ['capital', 'continent', 'currency', 'language'] as const
export type Attribute = (typeof attributes)[number]

export interface Country {
  readonly code: string
  readonly en: string
  readonly zh: string
  readonly facts: Readonly<Record<Attribute, { en: string; zh: string } | undefined>>
}

/** True for pairs that are asked only in the evaluation; their facts may still appear as text. */
export function pairHeldOut(code: string, attribute: Attribute): boolean {
  return crc32(`${code}:${attribute}`) % 5 === 0
}

/** What is known of a country and may be asked of its flag in training. */
export function trainedAttributes({ code, facts }: Country): Attribute[] {
  return attributes.filter((attribute) => facts[attribute] && !pairHeldOut(code, attribute))
}

interface Row {
  readonly cca2: string
  readonly independent?: boolean
  readonly unMember: boolean
  readonly name: { common: string }
  readonly capital?: readonly string[]
  readonly region: string
  readonly subregion: string
  readonly currencies?: Record<string, { name: string }>
  readonly languages?: Record<string, string>
}

const continentsZh: Record<string, string> = {
  Africa: '非洲',
  Asia: '亚洲',
  Europe: '欧洲',
  Oceania: '大洋洲',
  'North America': '北美洲',
  'South America': '南美洲',
}

function display(type: 'region' | 'language' | 'currency', code: string): string | undefined {
  const name = new Intl.DisplayNames('zh-Hans', { type, fallback: 'none' }).of(code)
  return name?.replace(/[（(].*$/, '')
}

/** Independent states with their facts. Needs the data packages. */
export function loadCountries(): Country[] {
  const out: Country[] = []
  for (const row of packageJson<Row[]>('world-countries/countries.json')) {
    const zh = display('region', row.cca2)
    if (!row.unMember || !zh) continue
    const capital = row.capital?.[0]
    const capitalZh = capitalsZh.get(row.cca2)
    const continent =
      row.region === 'Americas' ? (row.subregion === 'South America' ? 'South America' : 'North America') : row.region
    const currency = Object.entries(row.currencies ?? {})[0]
    const currencyZh = currency && display('currency', currency[0])
    // Several official languages: only the unambiguous case (one language, or one beside English) is asked about.
    const languages = Object.entries(row.languages ?? {})
    const language = languages.length === 1 ? languages[0] : undefined
    const languageZh = language && display('language', language[0])
    out.push({
      code: row.cca2,
      en: row.name.common,
      zh,
      facts: {
        capital: capital && capitalZh ? { en: capital, zh: capitalZh } : undefined,
        continent: continentsZh[continent] ? { en: continent, zh: continentsZh[continent] } : undefined,
        currency: currency && currencyZh ? { en: currency[1].name.replace(/^Euro$/, 'euro'), zh: currencyZh } : undefined,
        language: language && languageZh ? { en: language[1], zh: languageZh } : undefined,
      },
    })
  }
  return out
}

/** The same question about a named country (text) or about the flag in a picture. */
export const attributeQuestions: Readonly<
  Record<Attribute, { textEn: string[]; textZh: string[]; flagEn: string; flagZh: string; factEn: string[]; factZh: string[] }>
> = {
  capital: {
    textEn: ['What is the capital of {c}?', 'Which city is the capital of {c}?'],
    textZh: ['{c}的首都是哪里？', '{c}的首都是什么城市？'],
    flagEn: 'What is the capital of this country?',
    flagZh: '这个国家的首都是哪里？',
    factEn: ['The capital of {c} is {v}.', '{v} is the capital of {c}.', '{c} has its capital in {v}.'],
    factZh: ['{c}的首都是{v}。', '{v}是{c}的首都。'],
  },
  continent: {
    textEn: ['On which continent is {c}?', 'Where in the world is {c}?'],
    textZh: ['{c}在哪个洲？', '{c}位于哪里？'],
    flagEn: 'On which continent is this country?',
    flagZh: '这个国家在哪个洲？',
    factEn: ['{c} is a country in {v}.', '{c} lies in {v}.'],
    factZh: ['{c}是{v}的一个国家。', '{c}位于{v}。'],
  },
  currency: {
    textEn: ['What is the currency of {c}?', 'With which money do people pay in {c}?'],
    textZh: ['{c}的货币是什么？', '在{c}用什么钱付款？'],
    flagEn: 'What is the currency of this country?',
    flagZh: '这个国家的货币是什么？',
    factEn: ['The currency of {c} is the {v}.', 'People in {c} pay with the {v}.'],
    factZh: ['{c}的货币是{v}。', '{c}人用{v}付款。'],
  },
  language: {
    textEn: ['Which language is spoken in {c}?', 'What language do people speak in {c}?'],
    textZh: ['{c}说什么语言？', '{c}的语言是什么？'],
    flagEn: 'Which language is spoken in this country?',
    flagZh: '这个国家说什么语言？',
    factEn: ['People in {c} speak {v}.', '{v} is spoken in {c}.'],
    factZh: ['{c}人说{v}。', '{c}的官方语言是{v}。'],
  },
}

/** Fills the slots {c} country and {v} value. */
export function fill(template: string, country: string, value = ''): string {
  return template.replaceAll('{c}', country).replaceAll('{v}', value)
}

/** All text questions about one country, in both languages; held-out pairs are included (they are facts, not pictures). */
export function countryQa(country: Country): Qa[] {
  return attributes.flatMap((attribute) => {
    const fact = country.facts[attribute]
    if (!fact) return []
    const { textEn, textZh } = attributeQuestions[attribute]
    return [
      ...textEn.map((q) => ({ q: fill(q, country.en), a: fact.en })),
      ...textZh.map((q) => ({ q: fill(q, country.zh), a: fact.zh })),
    ]
  })
}
