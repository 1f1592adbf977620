/** The few icons of the app, drawn as strokes on a 20 x 20 grid. They are decoration: what they stand on has a name. */

const paths = {
  plus: 'M10 4v12M4 10h12',
  image:
    'M3.5 5.5a2 2 0 0 1 2-2h9a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2h-9a2 2 0 0 1-2-2zM4 14l3.6-3.8a1 1 0 0 1 1.4 0l4.6 5M11.5 12l1.2-1.2a1 1 0 0 1 1.4 0l2.2 2.2M12.8 7.2h.01',
  camera:
    'M3 7.5a2 2 0 0 1 2-2h1.6l1.2-2h4.4l1.2 2H15a2 2 0 0 1 2 2V14a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2zM12.8 10.6a2.8 2.8 0 1 1-5.6 0 2.8 2.8 0 0 1 5.6 0z',
  up: 'M10 16V4.5M5 9.5l5-5 5 5',
  square: 'M6 6h8v8H6z',
  copy: 'M7.5 7.5V5a1.5 1.5 0 0 1 1.5-1.5h6A1.5 1.5 0 0 1 16.5 5v6a1.5 1.5 0 0 1-1.5 1.5h-2.5M5 7.5h6A1.5 1.5 0 0 1 12.5 9v6a1.5 1.5 0 0 1-1.5 1.5H5A1.5 1.5 0 0 1 3.5 15V9A1.5 1.5 0 0 1 5 7.5z',
  pencil: 'M4 16l.7-3.2L13.2 4.3a1.4 1.4 0 0 1 2 0l.5.5a1.4 1.4 0 0 1 0 2L7.2 15.3zM11.8 5.8l2.4 2.4',
  retry: 'M15.8 8.2A6.2 6.2 0 1 0 16 11.5M16.2 4v4.3h-4.3',
  eye: 'M2.5 10S5.2 4.8 10 4.8 17.5 10 17.5 10 14.8 15.2 10 15.2 2.5 10 2.5 10zM12.3 10a2.3 2.3 0 1 1-4.6 0 2.3 2.3 0 0 1 4.6 0z',
  trash: 'M4 5.8h12M8 5.5V4h4v1.5M5.5 6l.7 9.3a1.3 1.3 0 0 0 1.3 1.2h5a1.3 1.3 0 0 0 1.3-1.2L14.5 6M8.5 9v4.5M11.5 9v4.5',
  search: 'M13.2 13.2L17 17M14.5 9a5.5 5.5 0 1 1-11 0 5.5 5.5 0 0 1 11 0z',
  menu: 'M3.5 6h13M3.5 10h13M3.5 14h13',
  close: 'M5 5l10 10M15 5L5 15',
  sliders:
    'M3.5 6.5h7M14.5 6.5h2M3.5 13.5h2M9.5 13.5h7M14.5 6.5a2 2 0 1 1-4 0 2 2 0 0 1 4 0zM9.5 13.5a2 2 0 1 1-4 0 2 2 0 0 1 4 0z',
  sun: 'M13.5 10a3.5 3.5 0 1 1-7 0 3.5 3.5 0 0 1 7 0zM10 2.5v1.5M10 16v1.5M2.5 10H4M16 10h1.5M4.7 4.7l1 1M14.3 14.3l1 1M15.3 4.7l-1 1M5.7 14.3l-1 1',
  moon: 'M16.5 11.7A6.7 6.7 0 0 1 8.3 3.5a6.7 6.7 0 1 0 8.2 8.2z',
  globe: 'M17 10a7 7 0 1 1-14 0 7 7 0 0 1 14 0zM3.2 10h13.6M10 3c2 2 2.8 4.4 2.8 7S12 15 10 17c-2-2-2.8-4.4-2.8-7S8 5 10 3z',
  left: 'M12 5l-5 5 5 5',
  right: 'M8 5l5 5-5 5',
  more: 'M4.8 10h.01M10 10h.01M15.2 10h.01',
  chat: 'M3.5 6a2 2 0 0 1 2-2h9a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H9l-3.5 3V14a2 2 0 0 1-2-2z',
  check: 'M4.5 10.5l3.7 3.7 7.3-8',
  keyboard:
    'M2.5 6.5A1.5 1.5 0 0 1 4 5h12a1.5 1.5 0 0 1 1.5 1.5v7A1.5 1.5 0 0 1 16 15H4a1.5 1.5 0 0 1-1.5-1.5zM5.5 8h.01M8.5 8h.01M11.5 8h.01M14.5 8h.01M6.5 12h7',
} as const

export type IconName = keyof typeof paths

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class={`icon icon-${name}`} viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  )
}

/** The mark of the product. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" />
      <path d="M9 9l14 14M23 9l-5 5M14 18l-5 5" />
    </svg>
  )
}

/** A button that is an icon: its name is read aloud and shown on hover. */
export function IconButton({
  icon,
  name,
  onClick,
  class: more = '',
  ...rest
}: {
  icon: IconName
  name: string
  onClick?: (event: MouseEvent) => void
  class?: string
  disabled?: boolean
  id?: string
  'aria-expanded'?: boolean
  'aria-haspopup'?: 'menu'
  'aria-controls'?: string
}) {
  return (
    <button type="button" class={`icon-button ${more}`} aria-label={name} title={name} onClick={onClick} {...rest}>
      <Icon name={icon} />
    </button>
  )
}
