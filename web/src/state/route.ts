/** What the address shows: a conversation, or the inside of one of its answers. It is the part behind `#`, so that no server knows it. */
import { signal } from '@preact/signals'

export type Route =
  | { readonly page: 'chat'; readonly conversation?: string }
  | { readonly page: 'inside'; readonly conversation?: string; readonly message?: string }

export function readRoute(hash: string): Route {
  const [page, conversation, message] = hash.replace(/^#\/?/, '').split('/')
  const known = conversation ? { conversation } : {}
  return page === 'inside' ? { page, ...known, ...(message ? { message } : {}) } : { page: 'chat', ...known }
}

export function addressOf(route: Route): string {
  const parts = [route.page, route.conversation, 'message' in route ? route.message : undefined]
  return `#/${parts.filter((part) => part !== undefined).join('/')}`
}

export const route = signal<Route>(readRoute(location.hash))

addEventListener('hashchange', () => {
  route.value = readRoute(location.hash)
})

export function go(to: Route): void {
  if (location.hash !== addressOf(to)) location.hash = addressOf(to)
  route.value = to
}
