/** `xcomposer serve`: the HTTP server as a process. */
import { packagedModel } from '../common/package-root.js'
import { isLoopback } from '../server/access.js'
import { type App, createApp, DEFAULT_QUEUE, DEFAULT_SLOTS } from '../server/app.js'
import { Supervisor } from '../server/engine/supervisor.js'
import { listen } from '../server/listen.js'
import { jsonLog } from '../server/log.js'
import { type Command, noPositionals } from './command.js'
import { modelHelp, modelOptions, namedModel, providers } from './model-choice.js'
import { packageVersion } from './package.js'

/** Longest answers take minutes; whoever stops a server does not wait longer. */
const GRACE_MS = 120_000

export const serveCommand: Command = {
  name: 'serve',
  summary: "answer over HTTP, as OpenAI's and Anthropic's APIs do",
  options: {
    ...modelOptions,
    model: { type: 'string', short: 'm', multiple: true },
    host: { type: 'string' },
    port: { type: 'string' },
    'api-key': { type: 'string', multiple: true },
    context: { type: 'string' },
    slots: { type: 'string' },
    queue: { type: 'string' },
    'model-memory': { type: 'string' },
    'no-cache': { type: 'boolean' },
    'allow-image-host': { type: 'string', multiple: true },
    'allow-host': { type: 'string', multiple: true },
    'cors-origin': { type: 'string', multiple: true },
    web: { type: 'boolean' },
    'no-web': { type: 'boolean' },
    conversations: { type: 'string' },
  },
  help: `Usage: xcomposer serve [options]

Answers over HTTP: /v1/chat/completions, /v1/responses, /v1/completions, /v1/embeddings and /v1/models as OpenAI's API,
/v1/messages as Anthropic's. When it can answer it prints one line: listening on http://HOST:PORT. SIGTERM and Ctrl-C let
answers in flight end. What happens is logged on standard error, one JSON object a line, without what people write.

${modelHelp.replace('(default: the packaged nano)', '(default: the packaged nano); several may be given, the first is the default')}
      --host ADDRESS         address to listen on (default 127.0.0.1: this machine alone)
      --port N               port; 0 takes any that is free (default 8080)
      --api-key KEY          a key that requests must bring; may be given several times; also XCOMPOSER_API_KEY
      --context N            most positions of a prompt with its answer (default: the model's)
      --slots N              requests that run at a time (default ${DEFAULT_SLOTS})
      --queue N              requests that wait beyond them; more are refused (default ${DEFAULT_QUEUE})
      --model-memory MIB     what all loaded models together may take; the least used one makes room for another
                             (default: four fifths of the machine's memory)
      --no-cache             keep nothing between requests: no beginnings of prompts, no image features
      --allow-image-host H   a host that images may be fetched from; may be given several times (default: none)
      --allow-host NAME      a name that a server on this machine is reached by, behind a proxy; may be given several times
      --cors-origin ORIGIN   pages of this origin may use the server; may be given several times
      --web, --no-web        serve the web app at / (default), or do not
      --conversations FILE   where the web app keeps conversations (default: conversations.db in the user's data folder, or in
                             XCOMPOSER_DATA)

Example:
  xcomposer serve --port 8080
`,
  async run(args, io) {
    noPositionals(args, 'serve')
    const host = args.text('host') ?? '127.0.0.1'
    const port = args.wholeNumber('port', 0, 65_535) ?? 8080
    const context = args.wholeNumber('context', 2, 1_000_000)
    const slots = args.wholeNumber('slots', 1, 1024) ?? DEFAULT_SLOTS
    const queue = args.wholeNumber('queue', 0, 100_000) ?? DEFAULT_QUEUE
    const memory = args.wholeNumber('model-memory', 1, 2 ** 40)
    const environmentKey = process.env.XCOMPOSER_API_KEY
    const apiKeys = [...args.texts('api-key'), ...(environmentKey ? [environmentKey] : [])]
    const log = jsonLog(io.err)
    const conversations = args.text('conversations')
    const named = args.texts('model')
    const threads = args.wholeNumber('threads', 1, 1024)
    const provider = args.oneOf('provider', providers)
    const engine = await Supervisor.start({
      models: named.length > 0 ? named.map((one) => namedModel(one, 'name one with --model')) : [packagedModel],
      ...(threads === undefined ? {} : { threads }),
      ...(provider === undefined ? {} : { provider }),
      ...(context === undefined ? {} : { context }),
      ...(memory === undefined ? {} : { modelMemory: memory * 2 ** 20 }),
      ...(args.flag('no-cache') ? { prefixCacheBytes: 0, imageCacheBytes: 0 } : {}),
      slots,
      onNotice: (line) => log('info', line),
    })
    let app: App | undefined
    try {
      app = createApp(engine, {
        host,
        apiKeys,
        slots,
        queue,
        imageHosts: args.texts('allow-image-host'),
        allowedHosts: args.texts('allow-host'),
        corsOrigins: args.texts('cors-origin'),
        version: packageVersion(),
        log,
        ...(args.flag('no-web') ? {} : { web: { ...(conversations === undefined ? {} : { conversations }) } }),
      })
      const listening = await listen(app, { host, port })
      if (!isLoopback(host) && apiKeys.length === 0)
        log('warn', `listening on ${host} without --api-key: everybody who reaches it may use it`)
      io.endsItself()
      io.out(`listening on ${listening.url}\n`)
      await aborted(io.signal)
      log('info', 'ending', { active: app.active })
      await listening.drain(GRACE_MS)
      return 0
    } finally {
      app?.close()
      await engine.close()
      log('info', 'ended')
    }
  },
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
