/**
 * Quantises a model as a process of its own: node dist/bench/quantize-child.js MODEL OUT [WINDOWS], with as many windows of text to
 * calibrate with. Prints as one line of JSON how long it took and what was resident.
 */
import { CALIBRATION_WINDOW, Calibration } from '../src/quantize/calibration.js'
import { quantizeModel } from '../src/quantize/quantize-model.js'
import { promptIds } from './decode-inputs.js'
import { resident } from './resident.js'

const [dir = '', out = '', windows = '0'] = process.argv.slice(2)
const start = performance.now()
await quantizeModel(
  dir,
  out,
  { bits: 4, blockSize: 256 },
  {
    ...(Number(windows) > 0
      ? {
          calibrate: (weights) => {
            const ids = promptIds(weights.decoder.vocabularySize, CALIBRATION_WINDOW)
            return new Calibration(
              weights,
              Array.from({ length: Number(windows) }, () => ids),
            )
          },
        }
      : {}),
  },
)
const seconds = (performance.now() - start) / 1000
process.stdout.write(`${JSON.stringify({ seconds, peak: resident().peak })}\n`)
