/** Look inside an answer: where the model looked for each token, how sure it was, and what PLoRA adds. */
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { ImageView } from '../../../src/chat/image-views'
import type { Inside } from '../../../src/chat/look-inside'
import { RefusedError } from '../lib/api'
import { brightness, meanOf, mostAttended } from '../lib/attention'
import { percent } from '../lib/format'
import { t } from '../lib/words'
import { branch, current, type Message } from '../state/conversations'
import { imageUrl } from '../state/images'
import { insideOf } from '../state/inside'
import { go, route } from '../state/route'
import { Icon } from './icons'

/** The answer that is looked into: the one in the address, or the last about a picture. */
function chosenAnswer(): { answer: Message; question: Message; images: readonly string[] } | undefined {
  const messages = branch.value
  const asked = 'message' in route.value ? route.value.message : undefined
  const answer = messages.findLast(({ id, role, text }) =>
    asked === undefined ? role === 'assistant' && text !== '' : id === asked,
  )
  if (!answer) return undefined
  const above = messages.slice(0, messages.indexOf(answer))
  const question = above.findLast(({ role }) => role === 'user')
  const images = above.flatMap((message) => message.images)
  return question && images.length > 0 ? { answer, question, images } : undefined
}

export function InsidePage() {
  const chosen = chosenAnswer()
  const conversation = current.value?.id
  if (!chosen || conversation === undefined) {
    return (
      <Empty title={t.value.insideEmpty} text={t.value.insideEmptyMore}>
        <button type="button" class="button" onClick={() => go({ page: 'chat' })}>
          {t.value.newChat}
        </button>
      </Empty>
    )
  }
  const { answer, question, images } = chosen
  return (
    <div class="inside">
      <header class="inside-head">
        <button type="button" class="button quiet small back" onClick={() => go({ page: 'chat', conversation })}>
          <Icon name="left" />
          {t.value.backToChat}
        </button>
        <h1>{t.value.insideTitle}</h1>
        <p class="lead">{t.value.insideMore}</p>
        {question.text !== '' && <p class="inside-question">{question.text}</p>}
      </header>
      <Loaded key={answer.id} conversation={conversation} answer={answer} images={images} />
    </div>
  )
}

function Loaded({ conversation, answer, images }: { conversation: string; answer: Message; images: readonly string[] }) {
  const [inside, setInside] = useState<Inside | undefined>(undefined)
  const [problem, setProblem] = useState<unknown>(undefined)
  const [tries, setTries] = useState(0)
  useEffect(() => {
    let gone = false
    setProblem(undefined)
    insideOf(conversation, answer.id).then(
      (found) => gone || setInside(found),
      (error) => gone || setProblem(error),
    )
    return () => {
      gone = true
    }
  }, [answer.id, tries])
  if (inside) return <Panels inside={inside} images={images} answer={answer} />
  if (problem === undefined) {
    return (
      <p class="thinking" role="status">
        <span class="pulse" aria-hidden="true" />
        {t.value.insideLoading}
      </p>
    )
  }
  if (problem instanceof RefusedError && (problem.status === 404 || problem.status === 405))
    return <Empty title={t.value.insideMissing} text={t.value.insideMissingMore} />
  return (
    <Empty title={t.value.failed} text={problem instanceof RefusedError ? problem.message : t.value.away}>
      <button type="button" class="button" onClick={() => setTries(tries + 1)}>
        {t.value.retry}
      </button>
    </Empty>
  )
}

function Empty({ title, text, children }: { title: string; text: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name="eye" />
      <h2>{title}</h2>
      <p>{text}</p>
      {children}
    </div>
  )
}

function Panels({ inside, images, answer }: { inside: Inside; images: readonly string[]; answer: Message }) {
  const { views, attention } = inside
  const [token, setToken] = useState(0)
  const [layer, setLayer] = useState(0)
  const [chosenView, setView] = useState(views.length - 1)
  const chosen = inside.tokens[token]
  const view = views[chosenView]
  const layers = attention.layers.length
  // 0: the mean of all; then one by one.
  const shownLayers = layer === 0 ? attention.layers.map((_, i) => i) : [layer - 1]
  const map = meanOf(shownLayers.map((i) => attention.image[i]?.[token]?.[chosenView] ?? []))
  const [share = 0] = meanOf(shownLayers.map((i) => [attention.imageShare[i]?.[token] ?? 0]))
  if (!chosen) return <Empty title={t.value.emptyAnswer} text={answer.text} />
  const layerName = layer === 0 ? t.value.allLayers : t.value.layerOf(layer, layers)
  return (
    <>
      <section class="panel tokens-panel" aria-labelledby="tokens-title">
        <h2 id="tokens-title">{t.value.words}</h2>
        <p class="note">{t.value.wordsMore}</p>
        <Tokens inside={inside} token={token} onChoose={setToken} />
      </section>
      <div class="inside-columns">
        <section class="panel" aria-labelledby="attention-title">
          <h2 id="attention-title">{t.value.attention}</h2>
          <p class="note">{view?.placed ? t.value.attentionMore(shown(chosen.text)) : t.value.noAttention}</p>
          {view && <HeatMap id={images[view.image] ?? ''} view={view} map={map} share={share} />}
          {views.length > 1 && (
            <div class="segments">
              {views.map(({ image, kind }, i) => (
                <button key={`${image} ${kind}`} type="button" aria-pressed={i === chosenView} onClick={() => setView(i)}>
                  {kind === 'tiles' ? t.value.tilesOf(image + 1) : t.value.picture(image + 1)}
                </button>
              ))}
            </div>
          )}
          <div class="slider">
            <label for="layer">{t.value.layer}</label>
            <output for="layer">{layerName}</output>
            <input
              id="layer"
              type="range"
              min={0}
              max={layers}
              step={1}
              value={layer}
              aria-valuetext={layerName}
              onInput={({ currentTarget }) => setLayer(Number(currentTarget.value))}
            />
          </div>
        </section>
        <section class="panel" aria-labelledby="sure-title">
          <h2 id="sure-title">{t.value.sure}</h2>
          <p class="note">{t.value.sureMore}</p>
          <Bars token={chosen} />
        </section>
      </div>
      <Plora inside={inside} answer={answer} />
    </>
  )
}

/** A token as text: white space made visible, and something where it spells nothing. */
function shown(text: string): string {
  return text.trim() === '' ? (text.includes('\n') ? '↵' : '␣') : text.trim()
}

function Tokens({ inside, token, onChoose }: { inside: Inside; token: number; onChoose: (token: number) => void }) {
  const list = useRef<HTMLDivElement>(null)
  const choose = (next: number) => {
    const at = Math.max(0, Math.min(inside.tokens.length - 1, next))
    onChoose(at)
    list.current?.querySelectorAll('button')[at]?.focus()
  }
  return (
    <div
      class="tokens"
      role="radiogroup"
      aria-label={t.value.words}
      ref={list}
      onKeyDown={(event) => {
        const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key]
        if (by === undefined) return
        event.preventDefault()
        choose(token + by)
      }}
    >
      {inside.tokens.map(({ text, probability }, i) => (
        // biome-ignore lint/a11y/useSemanticElements: a button with a bar inside; arrows move between them as between radio buttons
        <button
          key={`${i} ${text}`}
          type="button"
          role="radio"
          aria-checked={i === token}
          tabIndex={i === token ? 0 : -1}
          class="token"
          onClick={() => onChoose(i)}
        >
          <span>{shown(text)}</span>
          <span class="meter" aria-hidden="true">
            <span style={{ width: `${probability * 100}%` }} />
          </span>
          <span class="sr">{percent(probability)}</span>
        </button>
      ))}
    </div>
  )
}

/** The picture, darkened where the token did not look. */
function HeatMap(props: { id: string; view: ImageView; map: readonly number[]; share: number }) {
  const { id, view, map, share } = props
  const { rows, columns, placed } = view
  const canvas = useRef<HTMLCanvasElement>(null)
  const url = imageUrl(id).value
  const { at, part } = mostAttended(map)
  useEffect(() => {
    const context = canvas.current?.getContext('2d')
    if (!context || map.length !== rows * columns) return
    const pixels = context.createImageData(columns, rows)
    brightness(map).forEach((bright, i) => {
      // A warm light where it looked, dusk elsewhere: to be told apart without colours too.
      pixels.data.set(bright > 0.5 ? [255, 150, 40, (bright - 0.5) * 150] : [20, 16, 12, (0.5 - bright) * 2 * 205], i * 4)
    })
    context.putImageData(pixels, 0, 0)
  })
  const place = t.value.place(Math.floor(at / columns) + 1, (at % columns) + 1)
  return (
    <figure class="heat">
      <div class="heat-frame">
        {url && <img src={url} alt="" />}
        {placed && (
          <canvas
            ref={canvas}
            width={columns}
            height={rows}
            role="img"
            aria-label={t.value.attentionSummary(place, percent(part))}
          />
        )}
      </div>
      <figcaption>{t.value.attentionShare(percent(share))}</figcaption>
    </figure>
  )
}

function Bars({ token }: { token: Inside['tokens'][number] }) {
  const others = token.alternatives.filter(({ id }) => id !== token.id)
  const rows = [
    { text: token.text, probability: token.probability, chosen: true },
    ...others.map((other) => ({ ...other, chosen: false })),
  ]
  return (
    <ol class="bars">
      {rows.map(({ text, probability, chosen }, i) => (
        <li key={`${i} ${text}`} class={chosen ? 'is-chosen' : ''}>
          <span class="bar-name">
            {shown(text)}
            {chosen && <small>{t.value.chosen}</small>}
          </span>
          <span class="bar" aria-hidden="true">
            <span style={{ width: `${probability * 100}%` }} />
          </span>
          <span class="bar-value">{percent(probability)}</span>
        </li>
      ))}
    </ol>
  )
}

function Plora({ inside, answer }: { inside: Inside; answer: Message }) {
  const off = inside.adapterOff
  return (
    <section class="panel" aria-labelledby="plora-title">
      <h2 id="plora-title">{t.value.plora}</h2>
      <p class="note">{off ? t.value.ploraMore : t.value.noPlora}</p>
      {off && (
        <>
          <div class="sides">
            <div class="side">
              <h3>{t.value.ploraOn}</h3>
              <p>{answer.text}</p>
            </div>
            <div class="side">
              <h3>{t.value.ploraOff}</h3>
              <p>{off.text.trim() || t.value.emptyAnswer}</p>
            </div>
          </div>
          <h3>{t.value.ploraTokens}</h3>
          <p class="note">{t.value.ploraTokensMore}</p>
          <div class="table-scroll">
            <table class="compare">
              <thead>
                <tr>
                  <th scope="col">{t.value.token}</th>
                  <th scope="col">{t.value.ploraOn}</th>
                  <th scope="col">{t.value.ploraOff}</th>
                </tr>
              </thead>
              <tbody>
                {inside.tokens.map(({ text, probability }, i) => (
                  <tr key={`${i} ${text}`}>
                    <th scope="row">{shown(text)}</th>
                    <Cell share={probability} kind="on" />
                    <Cell share={off.sameAnswer[i] ?? 0} kind="off" />
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </section>
  )
}

function Cell({ share, kind }: { share: number; kind: 'on' | 'off' }) {
  return (
    <td>
      <span class={`bar ${kind}`} aria-hidden="true">
        <span style={{ width: `${share * 100}%` }} />
      </span>
      <span class="bar-value">{percent(share)}</span>
    </td>
  )
}
