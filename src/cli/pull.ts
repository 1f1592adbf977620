/** `xcomposer pull`: a model from the hub, into the cache. */
import { pull } from '../checkpoint/hub.js'
import { type Command, onlyPositional } from './command.js'
import { progressLine, writtenLine } from './io.js'

export const pullCommand: Command = {
  name: 'pull',
  summary: 'download a model from the Hugging Face hub',
  options: { revision: { type: 'string' }, offline: { type: 'boolean' } },
  help: `Usage: xcomposer pull ORG/NAME [options]

Downloads a model, by its name or the address of its page, and prints its directory; chat --model ORG/NAME finds it there as well.
Sizes and hashes are checked, and a download that broke off goes on where it stopped. Code beside a model is not downloaded.

      --revision R           branch, tag or commit (default main)
      --offline              only look into the cache

HF_HOME (default ~/.cache/huggingface) is where models are kept, HF_ENDPOINT another hub, HF_TOKEN your key to models that need one.

Example:
  xcomposer pull internlm/internlm-xcomposer2-vl-1_8b
  xcomposer pull https://huggingface.co/internlm/internlm-xcomposer2-vl-1_8b
`,
  async run(args, io) {
    const id = onlyPositional(args, 'pull', 'one model, ORG/NAME or its address')
    const revision = args.text('revision')
    const progress = progressLine(io)
    const dir = await pull(id, {
      ...(revision === undefined ? {} : { revision }),
      offline: args.flag('offline'),
      signal: io.signal,
      onProgress: ({ file, done, total }) => {
        progress.update(`${writtenLine(done, total)}  ${file}`)
      },
    }).finally(() => progress.end())
    io.out(`${dir}\n`)
    return 0
  },
}
