/** Branches of a conversation's tree of messages. Also used by `web/`. */

/** The messages from the first to `leaf`; none where the leaf is not there. A broken tree (a loop) ends. */
export function branchTo<T extends { readonly id: string; readonly parent: string | null }>(
  messages: readonly T[],
  leaf: string | null,
): T[] {
  const byId = new Map(messages.map((message) => [message.id, message]))
  const branch: T[] = []
  for (let at = leaf; at !== null && byId.has(at); ) {
    const message = byId.get(at) as T
    byId.delete(at)
    branch.unshift(message)
    at = message.parent
  }
  return branch
}

/** The other versions of a message (children of the same parent), itself included, in order. */
export function versionsOf<T extends { readonly id: string; readonly parent: string | null; readonly role: string }>(
  messages: readonly T[],
  message: T,
): T[] {
  return messages.filter(({ parent, role }) => parent === message.parent && role === message.role)
}

/** The newest end below a message: itself where nothing follows it. */
export function newestLeaf<T extends { readonly id: string; readonly parent: string | null }>(
  messages: readonly T[],
  id: string,
): string {
  let leaf = id
  // A parent stands before its children, so that one pass is enough and a broken tree ends too.
  for (let at = messages.length - 1, last = -1; ; ) {
    while (at > last && messages[at]?.parent !== leaf) at--
    if (at <= last) return leaf
    leaf = (messages[at] as T).id
    last = at
    at = messages.length - 1
  }
}
