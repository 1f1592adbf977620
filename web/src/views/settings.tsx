/** The settings: who answers and how, what goes before every conversation, how the page looks. Changes hold at once. */
import type { ComponentChildren } from 'preact'
import { number } from '../lib/format'
import { DEFAULT_SAMPLING, prefer, preferences, type Sampling } from '../lib/preferences'
import { t } from '../lib/words'
import { model, models } from '../state/models'
import { Dialog } from './dialog'
import { closeDialog } from './dialogs'

const styles: readonly {
  readonly name: 'steady' | 'balanced' | 'varied'
  readonly temperature: number
  readonly topP: number
}[] = [
  { name: 'steady', temperature: 0, topP: 1 },
  { name: 'balanced', temperature: 0.6, topP: 0.9 },
  { name: 'varied', temperature: 1, topP: 0.95 },
]

export function Settings() {
  const { sampling, instructions, language, theme } = preferences.value
  const change = (changes: Partial<Sampling>) => prefer({ sampling: { ...sampling, ...changes } })
  const style = styles.find(({ temperature, topP }) => temperature === sampling.temperature && topP === sampling.topP)
  return (
    <Dialog title={t.value.settings} onClose={closeDialog} class="settings">
      <Group title={t.value.model} note={t.value.modelMore}>
        <div class="choices">
          {(models.value ?? []).map(({ id, capabilities, context_length }) => (
            <Choice key={id} group="model" name={id} chosen={model.value?.id === id} onChoose={() => prefer({ model: id })}>
              {[
                capabilities?.vision === false ? t.value.readsText : t.value.seesPictures,
                ...(context_length ? [t.value.contextOf(number(context_length))] : []),
              ].join(' · ')}
            </Choice>
          ))}
        </div>
      </Group>
      <Group title={t.value.answers}>
        <div class="choices">
          {styles.map(({ name, temperature, topP }) => (
            <Choice
              key={name}
              group="style"
              name={t.value[name]}
              chosen={style?.name === name}
              onChoose={() => change({ temperature, topP })}
            >
              {t.value[`${name}More`]}
            </Choice>
          ))}
        </div>
        <details class="fine-control">
          <summary>{style ? t.value.fine : `${t.value.fine} · ${t.value.own}`}</summary>
          <Slider
            name="temperature"
            value={sampling.temperature}
            max={2}
            step={0.05}
            onChange={(temperature) => change({ temperature })}
          />
          <Slider name="topP" value={sampling.topP} min={0.05} max={1} step={0.05} onChange={(topP) => change({ topP })} />
          <Slider name="topK" value={sampling.topK} max={100} step={1} onChange={(topK) => change({ topK })} />
          <Slider
            name="repetition"
            value={sampling.repetitionPenalty}
            min={1}
            max={1.5}
            step={0.01}
            onChange={(repetitionPenalty) => change({ repetitionPenalty })}
          />
          <Slider
            name="longest"
            value={sampling.maxTokens}
            min={16}
            max={2048}
            step={16}
            onChange={(maxTokens) => change({ maxTokens })}
          />
          <div class="slider">
            <label for="seed">{t.value.seed}</label>
            <input
              id="seed"
              type="number"
              min={0}
              max={2 ** 31 - 1}
              step={1}
              value={sampling.seed ?? ''}
              aria-describedby="seed-note"
              onInput={({ currentTarget }) => {
                const seed = currentTarget.value === '' ? undefined : Math.max(0, Math.floor(Number(currentTarget.value)))
                change({ seed })
              }}
            />
            <p class="note" id="seed-note">
              {t.value.seedMore}
            </p>
          </div>
          <button type="button" class="button quiet small" onClick={() => prefer({ sampling: DEFAULT_SAMPLING })}>
            {t.value.reset}
          </button>
        </details>
      </Group>
      <Group title={t.value.instructions} note={t.value.instructionsMore}>
        <textarea
          class="field"
          rows={3}
          aria-label={t.value.instructions}
          value={instructions}
          onInput={({ currentTarget }) => prefer({ instructions: currentTarget.value })}
        />
      </Group>
      <Group title={t.value.appearance}>
        <div class="pair">
          <label>
            {t.value.language}
            <select
              value={language ?? 'auto'}
              onChange={({ currentTarget: { value } }) =>
                prefer({ language: value === 'auto' ? undefined : (value as 'en' | 'zh') })
              }
            >
              <option value="auto">{t.value.auto}</option>
              <option value="en">English</option>
              <option value="zh">中文</option>
            </select>
          </label>
          <label>
            {t.value.theme}
            <select
              value={theme ?? 'auto'}
              onChange={({ currentTarget: { value } }) =>
                prefer({ theme: value === 'auto' ? undefined : (value as 'light' | 'dark') })
              }
            >
              <option value="auto">{t.value.auto}</option>
              <option value="light">{t.value.light}</option>
              <option value="dark">{t.value.dark}</option>
            </select>
          </label>
        </div>
      </Group>
    </Dialog>
  )
}

function Group({ title, note, children }: { title: string; note?: string; children: ComponentChildren }) {
  return (
    <fieldset class="group">
      <legend>{title}</legend>
      {note && <p class="note">{note}</p>}
      {children}
    </fieldset>
  )
}

function Choice(props: { group: string; name: string; chosen: boolean; onChoose: () => void; children: ComponentChildren }) {
  const { group, name, chosen, onChoose, children } = props
  return (
    <label class="choice">
      <input type="radio" name={group} checked={chosen} onChange={onChoose} />
      <span>
        <strong>{name}</strong>
        <small>{children}</small>
      </span>
    </label>
  )
}

function Slider(props: {
  name: 'temperature' | 'topP' | 'topK' | 'repetition' | 'longest'
  value: number
  min?: number
  max: number
  step: number
  onChange: (value: number) => void
}) {
  const { name, value, min = 0, max, step, onChange } = props
  return (
    <div class="slider">
      <label for={name}>{t.value[name]}</label>
      <output for={name}>{number(value, 2)}</output>
      <input
        id={name}
        type="range"
        min={min}
        max={max}
        step={step}
        value={value}
        aria-describedby={`${name}-note`}
        onInput={({ currentTarget }) => onChange(Number(currentTarget.value))}
      />
      <p class="note" id={`${name}-note`}>
        {t.value[`${name}More`]}
      </p>
    </div>
  )
}
