/** The first screen: what this is for, and three pictures that the packaged model knows, each one click from an answer. */
import house from '../../../examples/questions/large/emojione-house.webp'
import tram from '../../../examples/questions/large/fluent-emoji-flat-tram.webp'
import pie from '../examples/pie.webp'
import { RefusedError } from '../lib/api'
import { language } from '../lib/preferences'
import { t } from '../lib/words'
import { ask } from '../state/answers'
import { notice } from '../state/draft'
import { storeImage } from '../state/images'
import { sees } from '../state/models'
import { go } from '../state/route'
import { Composer, focusComposer } from './composer'

const examples = [
  { picture: house, en: 'What is this?', zh: '这是什么？' },
  { picture: tram, en: 'What is this for?', zh: '它有什么用？' },
  { picture: pie, en: 'What kind of chart is this?', zh: '这是什么图表？' },
] as const

/** Where nothing is dropped or pasted. */
const touch = matchMedia('(pointer: coarse)')

async function askExample(picture: string, question: string): Promise<void> {
  try {
    const { id } = await storeImage(await (await fetch(picture)).blob())
    go({ page: 'chat', conversation: ask(question, [id]) })
    focusComposer()
  } catch (error) {
    notice.value = error instanceof RefusedError ? error.message : t.value.away
  }
}

export function Welcome() {
  return (
    <div class="welcome">
      <h1>{sees.value ? t.value.welcome : t.value.welcomeText}</h1>
      <p class="lead">{sees.value ? (touch.matches ? t.value.welcomeTouch : t.value.welcomeMore) : t.value.welcomeTextMore}</p>
      <Composer />
      {sees.value && (
        <section aria-label={t.value.examples}>
          <ul class="examples">
            {examples.map((example) => (
              <li key={example.picture}>
                <button type="button" class="example" onClick={() => void askExample(example.picture, example[language.value])}>
                  <img src={example.picture} alt="" width="448" height="448" />
                  <span>{example[language.value]}</span>
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  )
}
