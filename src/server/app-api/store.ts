/**
 * The conversations of the web app, kept in one SQLite file. Each caller has a scope (a hash of the API key, or ''), and sees nothing of
 * another's. Knows no HTTP.
 */
import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import Database from 'libsql'
import { InputError } from '../../common/errors.js'
import { ImageError } from '../../image/image-error.js'
import { describeOther, type ImageFormat, imageFormat } from '../../image/signature.js'
import type {
  Conversation,
  ConversationFields,
  ConversationSummary,
  MessageDetails,
  MessageFields,
  StoredImage,
  StoredMessage,
} from './records.js'
import { prepareTables, SCHEMA_VERSION } from './schema.js'
import { excerpt, type SearchTerms, searchTerms } from './search.js'

/** Where conversations are kept unless something else is said: `XCOMPOSER_DATA`, or the user's data folder. */
export function defaultConversationsFile(): string {
  const { XCOMPOSER_DATA, XDG_DATA_HOME, LOCALAPPDATA } = process.env
  const folder = XCOMPOSER_DATA || join(XDG_DATA_HOME || LOCALAPPDATA || join(homedir(), '.local', 'share'), 'xcomposer')
  return join(folder, 'conversations.db')
}

/** An image that is not in use for so long is deleted: a page may still be writing the message that it was sent for. */
const UNUSED_IMAGE_MS = 60 * 60 * 1000

export interface ImageFile extends StoredImage {
  readonly format: ImageFormat
  readonly bytes: Buffer
}

export class ConversationStore {
  readonly #db: Database.Database

  /**
   * Opens or makes the file, and the folders above it.
   * @param file a path, or `:memory:`
   * @throws InputError when it cannot be opened, is no such file, or was written by a newer version
   */
  constructor(
    readonly file: string,
    private readonly now: () => number = Date.now,
  ) {
    try {
      if (file !== ':memory:') mkdirSync(dirname(file), { recursive: true })
      this.#db = new Database(file, { timeout: 5000 })
      // A reader and a writer do not wait for each other; a crash loses at most what was written in the last moment.
      this.#db.exec('pragma journal_mode = wal; pragma synchronous = normal;')
      if (prepareTables(this.#db) > SCHEMA_VERSION) throw new Error('it was written by a newer version of xcomposer')
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new InputError(`${file}: cannot be used for conversations (${reason}); name another file`, { cause })
    }
  }

  close(): void {
    this.#db.close()
  }

  /** The newest conversations, or those that hold every term of `query`, newest first. */
  list(scope: string, query = '', limit = 200): ConversationSummary[] {
    const terms = searchTerms(query)
    if (terms.all.length === 0) {
      const newest = this.#all<Omit<ConversationSummary, 'excerpt'> & { text: string | null }>(
        `select id, title, updated,
           (select substr(text, 1, 400) from messages where messages.scope = c.scope and conversation = c.id and messages.id = c.leaf) as text
         from conversations c where scope = ? order by updated desc limit ?`,
        [scope, limit],
      )
      return newest.map(({ text, ...summary }) => (text ? { ...summary, excerpt: excerpt(text, terms) } : summary))
    }
    const found = this.#matches(scope, terms, limit)
    return found.map(({ id, title, updated, text }) => {
      return { id, title, updated, ...(text === null ? {} : { excerpt: excerpt(text, terms) }) }
    })
  }

  /** The conversation with its messages, or undefined. */
  read(scope: string, id: string): Conversation | undefined {
    const [head] = this.#all<Omit<Conversation, 'messages'>>(
      'select id, title, leaf, created, updated from conversations where scope = ? and id = ?',
      [scope, id],
    )
    if (!head) return undefined
    const rows = this.#all<Omit<StoredMessage, 'images' | 'details'> & { details: string; images: string | null }>(
      `select id, parent, role, text, state, details, created,
         (select group_concat(image) from (select image from message_images where message = n order by position)) as images
       from messages where scope = ? and conversation = ? order by n`,
      [scope, id],
    )
    const messages = rows.map((row): StoredMessage => {
      return { ...row, images: row.images?.split(',') ?? [], details: JSON.parse(row.details) as MessageDetails }
    })
    return { ...head, messages }
  }

  /** Makes the conversation, or changes the fields that are given. */
  write(scope: string, id: string, { title, leaf }: ConversationFields): void {
    const now = this.now()
    this.#run(
      `insert into conversations (scope, id, title, leaf, created, updated) values (?, ?, ?, ?, ?, ?)
       on conflict do update set title = ifnull(?, title), leaf = case when ? then ? else leaf end`,
      [scope, id, title ?? '', leaf ?? null, now, now, title ?? null, leaf === undefined ? 0 : 1, leaf ?? null],
    )
  }

  /**
   * Makes a message of a conversation, or changes it.
   * @throws InputError when the conversation, the parent or an image is not there
   */
  writeMessage(scope: string, conversation: string, id: string, message: MessageFields): void {
    this.#transaction(() => {
      const now = this.now()
      const { changes } = this.#run('update conversations set updated = ? where scope = ? and id = ?', [now, scope, conversation])
      if (changes === 0) throw new InputError(`conversation ${conversation}: not found; write it before its messages`)
      const { parent, role, text, images, state, details } = message
      if (parent !== null && (parent === id || this.#number(scope, conversation, parent) === undefined))
        throw new InputError(`parent: the conversation has no other message ${parent}`)
      this.#run(
        `insert into messages (scope, conversation, id, parent, role, text, state, details, created) values (?, ?, ?, ?, ?, ?, ?, ?, ?)
         on conflict do update set text = excluded.text, state = excluded.state, details = excluded.details`,
        [scope, conversation, id, parent, role, text, state, JSON.stringify(details), now],
      )
      const n = this.#number(scope, conversation, id) as number
      this.#run('delete from message_images where message = ?', [n])
      for (const [position, image] of images.entries()) {
        if (this.#all('select 1 from images where scope = ? and id = ?', [scope, image]).length === 0)
          throw new InputError(`images.${position}: the image ${image} is not here; send it first`)
        this.#run('insert into message_images (message, position, image) values (?, ?, ?)', [n, position, image])
      }
    })
  }

  /** Deletes a conversation with its messages, and images that nothing uses any more. Returns whether it was there. */
  delete(scope: string, id: string): boolean {
    return this.#transaction(() => {
      const { changes } = this.#run('delete from conversations where scope = ? and id = ?', [scope, id])
      this.#run(
        `delete from images where scope = ? and created < ? and not exists (
           select 1 from message_images join messages on messages.n = message where image = images.id and messages.scope = images.scope)`,
        [scope, this.now() - UNUSED_IMAGE_MS],
      )
      return changes > 0
    })
  }

  /**
   * Keeps an image file as it is. Only its beginning is looked at: decoding is for the process that may die of it.
   * @throws ImageError when the bytes are no image that is read here
   */
  writeImage(scope: string, bytes: Uint8Array): StoredImage {
    const format = bytes.length === 0 ? undefined : imageFormat(bytes)
    if (!format) throw new ImageError(`image: ${describeOther(bytes)}`)
    if (format === 'heic') throw new ImageError('image: a HEIC photo, which few browsers show; convert it to JPEG or PNG')
    const id = createHash('sha256').update(bytes).digest('hex')
    this.#run(
      `insert into images (scope, id, type, bytes, created) values (?, ?, ?, ?, ?)
       on conflict do update set created = excluded.created`,
      [scope, id, format, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), this.now()],
    )
    return { id }
  }

  readImage(scope: string, id: string): ImageFile | undefined {
    const [image] = this.#all<Omit<ImageFile, 'bytes'> & { bytes: ArrayBuffer }>(
      'select id, type as format, bytes from images where scope = ? and id = ?',
      [scope, id],
    )
    return image && { ...image, bytes: Buffer.from(image.bytes) }
  }

  #matches(scope: string, { long, short, all }: SearchTerms, limit: number) {
    // The trigram index finds terms of three characters and more; LIKE reads the shorter ones, as two Chinese characters are.
    const texts = [...(long.length > 0 ? ['n in (select rowid from message_texts where message_texts match ?)'] : [])]
    texts.push(...short.map(() => `text like ? escape '\\'`))
    const titles = all.map(() => `title like ? escape '\\'`)
    const like = (term: string) => `%${term.replace(/[\\%_]/g, '\\$&')}%`
    return this.#all<ConversationSummary & { text: string | null }>(
      `select id, title, updated,
         (select text from messages where messages.scope = c.scope and conversation = c.id and ${texts.join(' and ')} limit 1) as text
       from conversations c where scope = ? and (text is not null or (${titles.join(' and ')})) order by updated desc limit ?`,
      [
        ...(long.length > 0 ? [long.map((term) => `"${term.replaceAll('"', '""')}"`).join(' AND ')] : []),
        ...short.map(like),
        scope,
        ...all.map(like),
        limit,
      ],
    )
  }

  #number(scope: string, conversation: string, id: string): number | undefined {
    const sql = 'select n from messages where scope = ? and conversation = ? and id = ?'
    return this.#all<{ n: number }>(sql, [scope, conversation, id])[0]?.n
  }

  // Values are always passed as one list: the driver takes a single Buffer for named values, and ends the process.
  #all<T>(sql: string, values: readonly unknown[]): T[] {
    return this.#db.prepare(sql).all([...values]) as T[]
  }

  #run(sql: string, values: readonly unknown[]): { changes: number } {
    return this.#db.prepare(sql).run([...values])
  }

  #transaction<T>(work: () => T): T {
    this.#db.exec('begin immediate')
    try {
      const result = work()
      this.#db.exec('commit')
      return result
    } catch (error) {
      this.#db.exec('rollback')
      throw error
    }
  }
}
