/**
 * Which option of a multiple-choice question a chatty reply chooses, in English and Chinese. Every letter that stands alone is a mention;
 * mentions are dropped where they are articles, units or names ("vitamin C"), or where the reply turns them down ("A is wrong", "不是A");
 * of the rest the one that is said most plainly counts ("the answer is C" before "so C" before a bare "C"), and of equals the last,
 * since people correct themselves forwards. The benchmarks' own extraction rules are in reference-extraction.ts.
 */

interface Mention {
  /** Upper case. */
  readonly letter: string
  readonly start: number
  readonly end: number
  /** The text before and behind it, or before and behind the list of letters in which it stands ("A, B and C"). */
  before: string
  after: string
}

/** The option letter that a reply chooses, upper case; undefined where it chooses none, or several alike. */
export function choiceLetter(reply: string): string | undefined {
  const text = plain(reply)
  const mentions = withoutEchoedOptions(groupLists(findMentions(text), text), text)
  const ranked = mentions.map((m) => ({ ...m, rank: rank(m, mentions) })).filter((m) => m.rank > 0)
  const top = Math.max(0, ...ranked.map((m) => m.rank))
  const best = ranked.filter((m) => m.rank === top)
  const last = best.at(-1)
  if (!last) return undefined
  // Several at once ("A or B") choose nothing; one after the other is a correction.
  const together = best.filter((m) => m.before === last.before && m.after === last.after)
  return together.every((m) => m.letter === last.letter) ? last.letter : undefined
}

/** Width, quotes and markup out of the way; `\boxed{B}` and `**B**` become `(B)` and `B`. */
function plain(reply: string): string {
  return reply
    .normalize('NFKC')
    .replace(/^[\s\S]*<\/think(?:ing)?>(?=\s*\S)/i, '')
    .replace(/[‘’]/g, "'")
    .replace(/\\(?:text|mathbf|textbf|mathrm)\s*\{\(*([^{}()]*)\)*\}/g, '($1)')
    .replace(/\\boxed\s*\{(?:\\ |[^{}])*\}/g, (box) => ` answer is ${box.slice(box.indexOf('{') + 1, -1)} `)
    .replace(/\\[()[\] ]/g, ' ')
    .replace(/["'](?:\w*answer\w*|choice|option)["'](?=\s*:)|<answer>|【答案】|\[答案\]/gi, ' answer is ')
    .replace(/[*_`$#~]+(?=[^\s+#]|\s|$)/g, (mark, at: number, all: string) =>
      /[A-Za-z]/.test(all[at - 1] ?? '') && /^#/.test(mark) ? mark : '',
    )
    .replace(/<\|[^|<>]*\|>|<\/?[a-z]+>/gi, ' ')
    .trim()
}

/** Words before a letter that make it a name: vitamin C, plan B. */
const NAMED =
  /\b(?:vitamins?|plan|hepatitis|grade|type|class|team|size|drive|group|model|series|category|influenza|section|appendix|exhibit|schedule|blood)\s+$/i
/** What follows a letter that is an option, where a noun would make "A" the article. */
const FOLLOWS =
  /^\s+(?:is|are|was|were|isn't|aren't|wasn't|because|since|as|for|due|given|seems?|looks?|appears?|would|could|can|can't|cannot|must|should|does|doesn't|don't|do|and|or|nor|but|which|fits?|matches|describes|shows?|best|it|makes?|has|will|won't|may|might|over|instead|rather|than|both|not|also|comes|then|if|that|if|by|in|on|here|to|sounds?|feels?|answers?)\b/i

function findMentions(text: string): Mention[] {
  const found: Mention[] = []
  for (const match of text.matchAll(/(?<![A-Za-z0-9°\\])[A-Za-z](?![A-Za-z0-9])/g)) {
    const [start, end] = [match.index, match.index + 1]
    // What stands near decides; a long reply costs no more for it.
    const [before, after] = [text.slice(Math.max(0, start - 200), start), text.slice(end, end + 200)]
    if (isOption(match[0], before, after)) found.push({ letter: match[0].toUpperCase(), start, end, before, after })
  }
  return found
}

function isOption(char: string, before: string, after: string): boolean {
  const letter = char.toUpperCase()
  const whole = /^[("'[{<]*$/.test(before) && /^[)"'\]}>.,:;!?]*$/.test(after)
  if (whole) return true
  // Abbreviations, apostrophes, "C++", "X-ray", "A/C" inside words, "n/a", temperatures.
  if (/^'\w|^[+#&]|^-\w|^\.[A-Za-z]/.test(after) || /\w'$|[A-Za-z]\.$|\bn\/$/i.test(before)) return false
  if (/\d\s*°?\s*$/.test(before) && /[CFKVWA]/.test(letter) && !/\b(?:option|answer)\b/i.test(before)) return false
  if (/\w-$/.test(before) && !/(?:answer|option|choice)-$/i.test(before)) return false
  if (NAMED.test(before)) return false
  const named = /(?:option|choice|letter|选项?)\s*[("'[]*$/i.test(before)
  const cue = named ? 3 : rankBefore(before)
  const marked = /[([{]$/.test(before) && /^[)\]}]/.test(after)
  const first = /(?:^|[.!?:;\n。！？：；]|[.!?]["')]|、|^["'(])\s*$/.test(before)
  const closed =
    /^[^\S\n]*(?:\(not\b|[&/]\s*[("']?[A-J]\b|[)\].:,;!?、，。"'}\n]|$)|^\s*[-–—]\s/.test(after) ||
    /^\s*\p{Script=Han}/u.test(after)
  if (letter === 'I' || letter > 'J') return marked || (char === letter && closed && cue > 0)
  if (char === letter) {
    // A sentence may begin with the article; in its middle a capital A is no article.
    if (letter === 'A' && first && !closed && !FOLLOWS.test(after)) return false
    return true
  }
  if (marked) return true
  if (/^\s*[).:]/.test(after) && first) return true
  if (char === 'a' && !closed && !FOLLOWS.test(after)) return false
  if (first && affirmedAfter(after)) return true
  // "It is a ..." breaks off; "the answer is a" does not.
  return cue > (char === 'a' ? 2 : 0) && (closed || FOLLOWS.test(after))
}

/** What joins two letters to a list: a word, or a comma where the list goes on to one or is said of several. */
const JOINED =
  /^[)\]"']*\s*(?:(?:,?\s*(?:and|or|nor|&|\/|、|和|或者?|与|及|以及|跟|还有)|还是)\s*)(?:option|choice|answer|选项)?\s*[("'[]*$/i
const COMMA = /^[)\]"']*\s*,\s*(?:option|choice|answer|选项)?\s*[("'[]*$/i
const PLURAL = /^[)\]"'\s]*(?:选项|项|options?|choices?)?\s*(?:are|were|all|both|都|均|全|皆)/i
const OF_SEVERAL = /(?:neither|none of|among|options|choices|answers|between|of|not)\s*$/i

/** Letters of one list share what stands before and behind it. */
function groupLists(mentions: readonly Mention[], text: string): Mention[] {
  const groups: Mention[][] = []
  const between = (i: number): string => text.slice(mentions[i]?.end, mentions[i + 1]?.start)
  const goesOn = (from: number): boolean => {
    for (let i = from; i < mentions.length - 1; i++) {
      if (JOINED.test(between(i))) return true
      if (!COMMA.test(between(i))) return PLURAL.test(mentions[i]?.after ?? '')
    }
    return PLURAL.test(mentions.at(-1)?.after ?? '')
  }
  mentions.forEach((mention, i) => {
    const last = groups.at(-1)
    const gap = i > 0 ? between(i - 1) : ''
    const comma = last !== undefined && COMMA.test(gap) && (goesOn(i) || OF_SEVERAL.test(last[0]?.before ?? ''))
    if (last && i > 0 && (JOINED.test(gap) || comma)) last.push(mention)
    else groups.push([mention])
  })
  for (const group of groups) {
    const [before, after] = [(group[0] as Mention).before, (group.at(-1) as Mention).after]
    for (const mention of group) Object.assign(mention, { before, after })
  }
  return groups.flat()
}

/** Without the options themselves, written out again in one style: "A) cat B) dog C) bird". */
function withoutEchoedOptions(mentions: readonly Mention[], text: string): Mention[] {
  const styleOf = ({ start, end }: Mention): string | undefined => {
    const mark = /^[).:](?=\s*\S)/.exec(text.slice(end, end + 20))?.[0]
    const before = text.slice(Math.max(0, start - 3), start)
    // A letter with a full stop also ends a sentence, unless a line or an item begins with it.
    const begins = mark === '.' ? /(?:^|\n|[,;.])\s*$/.test(before) : /(?:^|[\s,;(]|选项)$/.test(before)
    return mark && begins ? (before.endsWith('(') ? '(' : '') + mark : undefined
  }
  const style = mentions.map(styleOf).find((s) => s !== undefined)
  const listed = mentions.filter((m) => style !== undefined && styleOf(m) === style)
  const letters = [...new Set(listed.map((m) => m.letter))]
  const echoed = letters.length >= 2 && letters.every((letter, i) => letter === String.fromCharCode(65 + i))
  // Where all others of the list are refused, the list is the answer.
  if (new Set(listed.filter((m) => !refused(m, mentions)).map((m) => m.letter)).size === 1 && echoed) return [...mentions]
  // One that is written once more behind them is chosen.
  const once = listed.filter((m, i) => listed.findIndex((other) => other.letter === m.letter) === i)
  return echoed ? mentions.filter((m) => !once.includes(m) || rankBefore(m.before) >= 2 || TICKED.test(m.after)) : [...mentions]
}

/** "All except C are wrong", "除了C都不对": what is left over is chosen. */
function leftOver(before: string, after: string): boolean {
  const except =
    /(?:\b(?:except(?:\s+for)?|but|apart\s+from|other\s+than|besides)\s+(?:option\s+|choice\s+|answer\s+)?["'(]*|(?:除了?|除去)(?:选项)?["'(]*)$/i.test(
      before,
    )
  return (
    except &&
    (new RegExp(`^[)"'\\s]*(?:is|are|was|were)?\\s*(?:all\\s+)?${WRONG}`, 'i').test(after) ||
      /^[)"'\s]*(?:以外|之外|外)?,?;?\s*(?:其他|其余|别的)?(?:选项)?(?:都|全|均|皆)/.test(after))
  )
}

/** The option's text in brackets says nothing: "C (a dog) is correct". */
function withoutText(after: string): string {
  return after.replace(/^([)"'\]}]*)\s*\([^()\n]{1,60}\)/, '$1')
}

function refused({ letter, before, after: behind }: Mention, all: readonly Mention[]): boolean {
  const after = withoutText(behind)
  if (rejectedAfter(after) || rejectedBefore(before)) return true
  // "B: no" refuses B where another letter is spoken of; alone it is an option and its text.
  return /^[)"'\]}]*\s*:\s*(?:no|false|not)\b/i.test(after) && all.some((m) => m.letter !== letter)
}

/** "Although A seems right, ...", "A looks best, but ...": said only to be taken back. */
function conceded(before: string, after: string): boolean {
  if (/(?:\b(?:although|though|while|whereas)\s+(?:option\s+)?|(?:虽然|尽管|虽说)(?:选项)?)["'(]*$/i.test(before)) return true
  return (
    /^[^.;!?\n]{0,40}\b(?:seems?|seemed|looks?|looked|appears?|appeared|sounds?)\b[^.;!?\n]{0,40}\b(?:but|however|yet)\b/.test(
      after,
    ) || /^[^。;!?\n]{0,6}(?:看似|看起来|看上去|貌似)/.test(after)
  )
}

/** 0: turned down; otherwise the higher, the plainer the choice. */
function rank(mention: Mention, all: readonly Mention[]): number {
  const { before } = mention
  const after = withoutText(mention.after)
  if (leftOver(before, after)) return 3
  if (refused(mention, all)) return 0
  if (conceded(before, after)) return 1
  if (affirmedAfter(after)) return 3
  const cue = rankBefore(before)
  if (cue > 0) return cue
  const opening =
    /^(?:option|choice|选项)?\s*[("'[{]*$/i.test(before) && /^[)"'\]}]*\s*(?:[.,:;!?\n。，：；、)]|[-–—]\s|$)/.test(after)
  // What opens the reply is the answer, unless the reply goes on to another.
  return opening && all.length > 0 ? 2 : 1
}

const SKIPPED = String.raw`(?:\s|["'([:]|option|choice|answer|letter|the|an|is|are|was|be|been|it|it's|its|indeed|most|likely|probably|clearly|definitely|obviously|surely|simply|just|therefore|thus|actually|really|correct|right|best|one|both|either|that|to|for|with)*`
const CLAUSE = /[^.,;!?\n。，；！？]*$/

/** How plainly the words before a letter choose it: 3 "the answer is", 2 "so", "it is", 0 nothing. */
function rankBefore(before: string): number {
  const near = before.slice(-120)
  const end = (source: string): boolean => new RegExp(`(?:${source})$`, 'i').test(near)
  const noun = String.raw`\b(?:answers?|ans|solution|response|conclusion|(?:correct|right|best|final|my)\s+(?:one|option|choice|letter|pick|selection)|the\s+(?:only\s+)?(?:one|option|choice)\s+(?:that|which))`
  const verb = String.raw`\b(?:is|was|be|are|seems?|appears?|becomes?|lies in)\b`
  if (end(`${noun}[^.,;!?\\n]{0,40}${verb}${SKIPPED}`)) return 3
  if (end(`${noun}\\.?\\s*(?:\\([^)]*\\))?\\s*(?::|=|->|→|=>|[-–—])${SKIPPED}`)) return 3
  if (
    end(
      String.raw`\b(?:option|choice|selection|pick|letter|correct|right)\s*(?::|=|->|→|\bis\b|\bwould be\b|\bmust be\b)${SKIPPED}`,
    )
  )
    return 3
  const choose = String.raw`\b(?:choose|chose|choosing|pick|picked|picking|select|selected|selecting|(?:go|going|went)\s+(?:with|for)|opt(?:ed|ing)?\s+for|vote\s+for|settle[ds]?\s+(?:on|for)|lean(?:ing)?\s+(?:towards?|to)|(?:i|i'd|we|would)\s+(?:say|guess|answer|prefer|take)|mark|tick|circle)`
  if (end(`${choose}${SKIPPED}`)) return 3
  if (
    end(
      String.raw`(?:答案|正确(?:的(?:选项|答案)?|选项|答案|(?=[是为:]))|应该?选择?|我选择?|故选|因此选|所以选|选择|选定|可选|选)(?:应该?|就|便)?(?:是|为|选|:\s*|[^\S\n]|选项|答案\s*|[("'[])*`,
    )
  )
    return 3
  if (end(`${noun}${SKIPPED}`)) return 2
  const so = String.raw`\b(?:so|therefore|thus|hence|then|it'?s|it is|that's|that is|this is|must be|has to be|should be|would be|could be|but|rather|wait|i mean|instead|leaves|leaving|actually|no|only|corresponds?\s+to|match(?:es)?|indicated\s+by|among\b[^.;!?]*|of\b[^.;!?]*|yes|sure|finally|correction|i think|i believe|i guess|probably|likely)\b,?`
  if (end(`${so}${SKIPPED}`)) return 2
  if (end(String.raw`(?:是|为|即|故|对应|只有|所以|因此|应为|而是|应该是|就是)(?:\s|选项|答案|[:("'[])*`)) return 2
  return 0
}

const WRONG = String.raw`(?:not(?!\s+(?:wrong|incorrect|false|only))|wrong|incorrect|false|untrue|out\b|off\b|eliminated|excluded|ruled\s+out|discarded|rejected|invalid|impossible|unlikely|implausible|mistaken|misleading|irrelevant|inaccurate|nonsense)`

/** Behind a letter in Chinese, in the same line: what of the option is spoken of. */
const SAYING = String.raw`[)\]"'}]*[^\S\n]*(?:选项|项|答案)?[^\S\n]*的?(?:描述|说法|内容|表述|叙述|解释)?`

function rejectedAfter(after: string): boolean {
  const filler = String.raw`(?:[^\S\n]|[)\]"'}]|options?|choices?|answers?|all|both|also|clearly|definitely|obviously|simply|just|is|are|was|were|be|seems?|looks?|appears?|sounds?|would|must|can|could|may|should|being|too|therefore|thus|plainly|certainly|the|an|a(?=\s+(?:wrong|incorrect|false|bad)))*`
  const not = `(?:isn't|aren't|wasn't|weren't|can't|cannot|couldn't|doesn't|does not|don't|do not|didn't|did not|won't|wouldn't|has nothing|have nothing|makes? no)`
  if (new RegExp(`^${filler}(?:${WRONG}|${not})`, 'i').test(after)) return true
  if (/^[)\]"']*\s*(?:\?\s*(?:no|nope|wrong)|:\s*(?:wrong|incorrect))\b/i.test(after)) return true
  // Behind the option's text, before another letter: "B) a dog - wrong", "B. a dog ❌".
  if (/^(?:(?!\b[A-J]\b)[^\n;!?]){0,60}(?:\s(?:[-–—→]|->)\s*(?:[Ww]rong|[Ii]ncorrect|[Nn]o)\b|[✗✘❌])|^[)"'\]]* ?×/.test(after))
    return true
  // "A looks right but is wrong": no other letter between.
  if (
    new RegExp(`^[a-z ,'"()-]*\\b(?:but|yet|though|however),?\\s+(?:it\\s+)?(?:is|are|was)?\\s*(?:${WRONG}|${not})`).test(after)
  )
    return true
  // "A与图片不符", "A描述的不是这张图"
  if (new RegExp(`^${SAYING}[与和跟同][^,。;!?\\n]{0,12}(?:不|无关|矛盾)`).test(after)) return true
  if (new RegExp(`^${SAYING}的[都并]?不[是对]`).test(after)) return true
  return new RegExp(
    `^${SAYING}(?:都|全|均|皆|也|并|显然|明显|肯定|两项|两个|选项|的|是|就)*(?:不(?!错|是\\s*[("]*[A-Za-z])|错|有误|非|没有|无关|(?:可以?|应?被?)排除(?!\\s*[("]*[A-Za-z]))`,
  ).test(after)
}

function rejectedBefore(before: string): boolean {
  const clause = (CLAUSE.exec(before.slice(-160)) ?? [''])[0]
  const not = String.raw`(?:\bnot|n't|\bcannot|\bnever|\bneither|\bnor|\bnone\s+of|\binstead\s+of|\brather\s+than|(?<!none other )\bthan|\bover|\bunlike|\bas\s+opposed\s+to|\bexcept(?:\s+for)?|\bbesides|\brul(?:e[sd]?|ing)\s+out|\beliminat(?:e[sd]?|ing)|\bexclud(?:e[sd]?|ing)|\breject(?:s|ed|ing)?|\bdiscard(?:s|ed|ing)?|\bdismiss(?:ed|ing)?|\bwithout)`
  const between = String.raw`(?:\s|["'([]|think|believe|say|choose|choosing|pick|picking|select|selecting|go|going|with|option|choice|answer|letter|the|it|it's|its|is|was|be|that|either|both|correct|right|for|to|would|could|should|this|options|choices|answers)*`
  if (new RegExp(`${not}${between}$`, 'i').test(clause)) return true
  // "wrong: A", "the wrong answer is A".
  if (
    /\b(?:wrong|incorrect|false)\s*(?:answers?|options?|choices?|ones?)?\s*(?:is|are|was|were|would be|:|\s|["'([])*$/i.test(
      before.slice(before.lastIndexOf('\n') + 1).slice(-60),
    )
  ) {
    return !/\bnot\s+(?:wrong|incorrect|false)[^.]*$/i.test(clause)
  }
  return /(?:(?<!对|相)比|不是|并非|不选|不应该?选?|不能选|不该选|不会是|不可能是|而非|既非|也非|除了|除|排除了?|错误(?:的)?(?:选项|答案)?(?:是|为|:)|不认为(?:是)?|别选|不要选|而不)(?:\s|选项|答案|["'([])*$/.test(
    before.slice(-30),
  )
}

const TICKED = /^(?:(?!\b[A-J]\b)[^\n;!?]){0,60}[✓✔✅☑√]/

function affirmedAfter(after: string): boolean {
  const degree = String.raw`(?:\s|[)\]"'}]|option|choice|answer|also|clearly|definitely|obviously|therefore|thus|indeed|probably|likely|the|my|most|is|was|are|seems?|looks?|appears?|sounds?|would|must|has|to|be|not|far|much|only|final|here)*`
  if (
    new RegExp(
      `^${degree}(?:correct|right|best|true|better|closest|accurate|appropriate|plausible|suitable|reasonable|sensible|not\\s+(?:wrong|incorrect|false))\\b(?!\\s+(?:next|beside|behind|above|below|of)\\b)`,
      'i',
    ).test(after)
  )
    return true
  if (TICKED.test(after)) return true
  const being = String.raw`(?:is|was|would\s+be|must\s+be|(?:seems?|appears?)(?:\s+to\s+be)?)\s+(?:clearly\s+|obviously\s+|therefore\s+|probably\s+)?`
  const other = '(?:first|second|third|fourth|last|next|other|wrong|incorrect|worst|false|tempting)\\b'
  if (
    new RegExp(
      `^[)\\]"'}]*\\s+${being}(?:my|the)\\s+(?:(?!${other})\\w+\\s+){0,2}(?:answer|choice|option|one|pick)\\b`,
      'i',
    ).test(after)
  )
    return true
  if (/^[)\]"'}]*\s+(?:it\s+is\b|fits?\b|match(?:es)?\b|best\s+(?:describes|matches|fits)|answers\s+the)/i.test(after))
    return true
  return new RegExp(
    `^${SAYING}(?:才|就|应该|显然|最|都|更|是|为)*(?:正确|不错|没错|没有错|对的?(?:$|[，。,.;!！])|最佳|合适|符合|恰当|准确|答案)`,
  ).test(after)
}
