/** Text from anywhere as a part of a page. */

/** Text as it may stand in an element or a quoted attribute. Control, direction and half characters cannot be shown: U+FFFD. */
export function escapeHtml(text: string): string {
  return text
    .replace(/[\p{Cs}\u202a-\u202e\u2066-\u2069]|(?![\t\n])\p{Cc}/gu, '\ufffd')
    .replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`)
}
