/** Pictures of messages, and boxes over them. */
import { useState } from 'preact/hooks'
import type { Box } from '../../../src/data/box'
import { t } from '../lib/words'
import { imageUrl } from '../state/images'
import { dialog } from './dialogs'

/** Shown without smoothing when it is enlarged: the pixels are what there is to see. */
const SMALL = 100

function Picture({ id, alt }: { id: string; alt: string }) {
  const url = imageUrl(id).value
  const [small, setSmall] = useState(false)
  if (!url) return <span class="picture-wait" role="img" aria-label={alt} />
  return (
    <img
      src={url}
      alt={alt}
      class={small ? 'small' : ''}
      onLoad={({ currentTarget }) => setSmall(Math.max(currentTarget.naturalWidth, currentTarget.naturalHeight) <= SMALL)}
    />
  )
}

/** The pictures of a question; each opens in full. */
export function Pictures({ ids }: { ids: readonly string[] }) {
  return (
    <ul class={`pictures ${ids.length === 1 ? 'single' : ''}`}>
      {ids.map((id, i) => (
        <li key={`${i} ${id}`}>
          <button
            type="button"
            class="picture"
            aria-label={t.value.enlarge(i + 1)}
            onClick={() => {
              const url = imageUrl(id).value
              if (url) dialog.value = { name: 'image', url, alt: t.value.picture(i + 1) }
            }}
          >
            <Picture id={id} alt="" />
          </button>
        </li>
      ))}
    </ul>
  )
}

/** A picture with the boxes of an answer on it. */
export function BoxedPicture({ id, boxes }: { id: string; boxes: readonly Box[] }) {
  return (
    <figure class="boxed">
      <div class="boxed-frame">
        <Picture id={id} alt="" />
        <svg class="boxes" viewBox="0 0 1 1" preserveAspectRatio="none" role="img" aria-label={t.value.boxes(boxes.length)}>
          {boxes.map(([x1, y1, x2, y2]) => (
            <g key={`${x1} ${y1} ${x2} ${y2}`}>
              <rect class="halo" x={x1} y={y1} width={x2 - x1} height={y2 - y1} />
              <rect class="line" x={x1} y={y1} width={x2 - x1} height={y2 - y1} />
            </g>
          ))}
        </svg>
      </div>
      <figcaption>{t.value.boxes(boxes.length)}</figcaption>
    </figure>
  )
}
