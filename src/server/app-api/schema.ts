/** The tables of the conversations file, and how a file of an older version is brought to this one. */
import type { Database } from 'libsql'

/** Each step leads from the version that is its place to the next; `user_version` says how many a file has had. */
const steps: readonly string[] = [
  `
  create table conversations (
    id text not null, scope text not null, title text not null, leaf text, created integer not null, updated integer not null,
    primary key (scope, id)
  ) without rowid;
  create index conversations_updated on conversations (scope, updated desc);
  create table messages (
    n integer primary key, scope text not null, conversation text not null, id text not null, parent text, role text not null,
    text text not null, state text not null, details text not null, created integer not null,
    unique (scope, conversation, id),
    foreign key (scope, conversation) references conversations (scope, id) on delete cascade
  );
  create table images (
    id text not null, scope text not null, type text not null, bytes blob not null, created integer not null,
    primary key (scope, id)
  );
  create table message_images (
    message integer not null references messages (n) on delete cascade, position integer not null, image text not null,
    primary key (message, position)
  ) without rowid;
  create index message_images_image on message_images (image);
  create virtual table message_texts using fts5 (text, content = 'messages', content_rowid = 'n', tokenize = 'trigram');
  create trigger messages_inserted after insert on messages begin
    insert into message_texts (rowid, text) values (new.n, new.text);
  end;
  create trigger messages_deleted after delete on messages begin
    insert into message_texts (message_texts, rowid, text) values ('delete', old.n, old.text);
  end;
  create trigger messages_updated after update of text on messages begin
    insert into message_texts (message_texts, rowid, text) values ('delete', old.n, old.text);
    insert into message_texts (rowid, text) values (new.n, new.text);
  end;
  `,
]

/** The version that this program writes. */
export const SCHEMA_VERSION = steps.length

/** Makes the tables, or those that an older file lacks. Returns the version found; a later one is left as it is. */
export function prepareTables(db: Database): number {
  db.pragma('foreign_keys = on')
  const { user_version: found } = db.prepare('pragma user_version').get([]) as { user_version: number }
  for (let version = found; version < SCHEMA_VERSION; version++) {
    db.exec(`begin; ${steps[version]} pragma user_version = ${version + 1}; commit;`)
  }
  return found
}
