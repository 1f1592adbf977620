/** `xcomposer train`: one stage of training from a recipe, taken up again where an earlier call ended. */
import { askModel } from '../evaluate/ask-model.js'
import { describeRecipe, loadRecipe } from '../train/recipe.js'
import { train } from '../train/train.js'
import { type Command, onlyPositional } from './command.js'
import { progressLine } from './io.js'

export const trainCommand: Command = {
  name: 'train',
  summary: 'train a model from a recipe',
  options: { restart: { type: 'boolean' }, 'skip-bad': { type: 'boolean' }, json: { type: 'boolean' } },
  help: `Usage: xcomposer train RECIPE.yaml [options]

Trains one stage and writes a model directory. A run that was interrupted goes on where it stood when it is called again.

      --restart              begin anew, although the run has a state
      --skip-bad             leave out records whose images are missing or damaged, and count them
      --json                 print {steps, finalLoss, out}

Example:
  xcomposer train recipes/tiny/train.yaml
`,
  async run(args, io) {
    const recipe = loadRecipe(onlyPositional(args, 'train', 'one recipe'))
    io.err(describeRecipe(recipe))
    const progress = progressLine(io)
    const digits = String(recipe.steps).length
    const result = await train(recipe, {
      resume: !args.flag('restart'),
      skipBad: args.flag('skip-bad'),
      signal: io.signal,
      // Longer answers are wrong, or they go round in circles.
      probe: (dir, questions) => askModel(dir, questions, { maxNewTokens: 24, threads: recipe.threads, signal: io.signal }),
      onNotice: (line) => {
        progress.end()
        io.err(`${line}\n`)
      },
      onProgress: ({ step, steps, loss, samplesPerSecond, secondsLeft }) => {
        const speed = `${samplesPerSecond.toFixed(1)} samples/s`
        progress.update(
          `step ${String(step).padStart(digits)}/${steps}  loss ${loss.toFixed(4)}  ${speed}  ${duration(secondsLeft)} left`,
        )
      },
    }).finally(() => progress.end())
    const text = `${result.out}: ${result.steps} steps, last loss ${result.finalLoss.toFixed(4)}\n`
    io.out(args.flag('json') ? `${JSON.stringify(result)}\n` : text)
    return 0
  },
}

/** Seconds as a person reads them: 45 s, 12 min, 3 h 05 min. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?'
  if (seconds < 90) return `${Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`
}
