/** Ids of conversations and messages: 16 random characters. `crypto.randomUUID` is missing on plain http addresses of other machines. */
export function newId(): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789'
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => letters[byte % letters.length]).join('')
}
