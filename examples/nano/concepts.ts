// The concepts nano learns to name: emojibase groups 3 to 7 whose icon exists in at least four vendors, with names and
// keywords of emojibase and CLDR in both languages, and the rule that holds one picture of each out of training.
import { packageJson } from './paths.js'
import { crc32 } from './random.js'

/** Training vendors in name order; OpenMoji is the unseen style and is never trained on. */
export const trainingVendors = ['emojione', 'fluent-emoji-flat', 'noto', 'noto-v1', 'twemoji'] as const
export const unseenVendor = 'openmoji'
/**
 * Further styles that are only trained on, each with the training vendor that it was drawn from, if any: a picture of the held-out
 * vendor's family is never shown either. The rule above and the evaluation know nothing of them.
 */
export const extraStyles = {
  'fluent-emoji': 'fluent-emoji-flat',
  fxemoji: undefined,
  'streamline-emojis': undefined,
} as const
export type ExtraStyle = keyof typeof extraStyles
export type Vendor = (typeof trainingVendors)[number] | typeof unseenVendor

export interface Concept {
  /** Normalised English label, the icon name of every vendor. */
  readonly icon: string
  readonly hexcode: string
  readonly en: string
  readonly zh: string
  /** Every accepted name, the first being `en` / `zh`. */
  readonly namesEn: readonly string[]
  readonly namesZh: readonly string[]
  readonly tagsEn: readonly string[]
  readonly tagsZh: readonly string[]
  readonly subgroup: string
  /** Training vendors that draw it, sorted. */
  readonly vendors: readonly Vendor[]
  readonly unseen: boolean
}

/** A named emoji of any group, for translation tasks. */
export interface Named {
  readonly en: string
  readonly zh: string
  readonly hexcode: string
  readonly group: number
}

/** Lower case, accents and apostrophes dropped, everything else to single hyphens: the vendors' icon naming. */
export function iconName(label: string): string {
  return label
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[\u0300-\u036f'’]/g, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
}

/** The vendor whose picture of `icon` is never trained on: position crc32(icon) mod the number of vendors, by name. */
export function heldOutVendor(icon: string, vendors: readonly Vendor[]): Vendor {
  const sorted = [...vendors].sort()
  const held = sorted[crc32(icon) % sorted.length]
  if (held === undefined) throw new RangeError(`no vendor draws "${icon}"`)
  return held
}

interface IconSet {
  readonly icons: Record<string, { body: string; width?: number; height?: number; left?: number; top?: number }>
  readonly aliases?: Record<string, { parent: string }>
  readonly width: number
  readonly height: number
}

const sets = new Map<Vendor | ExtraStyle, IconSet>()

function iconSet(vendor: Vendor | ExtraStyle): IconSet {
  const known = sets.get(vendor)
  if (known) return known
  const set = packageJson<IconSet>(`@iconify-json/${vendor}/icons.json`)
  sets.set(vendor, set)
  return set
}

/** The SVG document of one vendor's icon, or undefined when it has none. */
export function iconSvg(vendor: Vendor | ExtraStyle, icon: string): string | undefined {
  const set = iconSet(vendor)
  const found = set.icons[icon] ?? set.icons[set.aliases?.[icon]?.parent ?? '']
  if (!found) return undefined
  const box = [found.left ?? 0, found.top ?? 0, found.width ?? set.width, found.height ?? set.height]
  return `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="${box.join(' ')}">${found.body}</svg>`
}

/** The pictures that an extra style has of an icon: some sets drop the hyphens, some number several drawings. */
export function extraSvgs(style: ExtraStyle, icon: string): string[] {
  const names = [...new Set([icon, icon.replaceAll('-', ''), `${icon}-1`, `${icon}-2`, `${icon}-3`])]
  return names.flatMap((name) => iconSvg(style, name) ?? [])
}

/** The icon name a vendor uses for a code point sequence (flags have other names in some sets). */
export function iconOfHexcode(vendor: Vendor, hexcode: string): string | undefined {
  return packageJson<Record<string, string>>(`@iconify-json/${vendor}/chars.json`)[hexcode.toLowerCase()]
}

interface EmojibaseRow {
  readonly label: string
  readonly hexcode: string
  readonly emoji: string
  readonly group?: number
  readonly subgroup?: number
  readonly tags?: readonly string[]
}
type Annotations = { annotations: { annotations: Record<string, { default?: string[]; tts?: string[] }> } }

const unique = (items: readonly (string | undefined)[]): string[] => [...new Set(items.filter((x): x is string => !!x))]

/** Reads every named emoji and the list of concepts. Needs the data packages. */
export function loadConcepts(): { concepts: Concept[]; named: Named[] } {
  const en = packageJson<EmojibaseRow[]>('emojibase-data/en/data.json')
  const zh = new Map(packageJson<EmojibaseRow[]>('emojibase-data/zh/data.json').map((row) => [row.hexcode, row]))
  const subgroups = packageJson<{ subgroups: Record<string, string> }>('emojibase-data/meta/groups.json').subgroups
  const cldr = (language: string) =>
    packageJson<Annotations>(`cldr-annotations-full/annotations/${language}/annotations.json`).annotations.annotations
  const cldrEn = cldr('en')
  const cldrZh = cldr('zh')
  const plain = (emoji: string): string => emoji.replaceAll('\ufe0f', '')
  const concepts: Concept[] = []
  const named: Named[] = []
  for (const row of en) {
    const chinese = zh.get(row.hexcode)
    const aEn = cldrEn[plain(row.emoji)]
    const aZh = cldrZh[plain(row.emoji)]
    const zhName = aZh?.tts?.[0] ?? chinese?.label
    if (!zhName || row.group === undefined) continue
    named.push({ en: row.label.toLowerCase(), zh: zhName, hexcode: row.hexcode, group: row.group })
    if (row.group < 3 || row.group > 7) continue
    const icon = iconName(row.label)
    const vendors = trainingVendors.filter((vendor) => iconSvg(vendor, icon) !== undefined)
    const unseen = iconSvg(unseenVendor, icon) !== undefined
    if (vendors.length + (unseen ? 1 : 0) < 4) continue
    const namesEn = unique([row.label.toLowerCase(), icon.replaceAll('-', ' '), aEn?.tts?.[0]?.toLowerCase()])
    const namesZh = unique([zhName, chinese?.label])
    const tags = (all: readonly (string | undefined)[], names: readonly string[]) =>
      unique(all).filter((tag) => !names.includes(tag) && tag.length <= 14)
    concepts.push({
      icon,
      hexcode: row.hexcode,
      en: row.label.toLowerCase(),
      zh: zhName,
      namesEn,
      namesZh,
      tagsEn: tags(
        [...(aEn?.default ?? []), ...(row.tags ?? [])].map((tag) => tag.toLowerCase()),
        namesEn,
      ).slice(0, 8),
      tagsZh: tags([...(aZh?.default ?? []), ...(chinese?.tags ?? [])], namesZh).slice(0, 8),
      subgroup: subgroups[String(row.subgroup)] ?? 'other-object',
      vendors,
      unseen,
    })
  }
  return { concepts, named }
}
