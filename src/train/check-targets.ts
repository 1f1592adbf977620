/** Before the first step: which records teach nothing, because their answers lie behind max_length, and whether any is left. */
import { InputError } from '../common/errors.js'
import { SHOWN } from '../data/mistakes.js'
import type { Dataset } from './dataset.js'

/**
 * Names the records of which nothing is learned.
 * @throws InputError when no record of any file teaches anything, or the images of one do not fit
 */
export function checkTargets(
  dataset: Pick<Dataset, 'size' | 'sources' | 'teaches'>,
  maxLength: number,
  onNotice: (line: string) => void = () => {},
): void {
  const empty = dataset.sources.flatMap(({ file, records }, source) =>
    Array.from({ length: records }, (_, record) => ({ file, source, record })).filter(
      ({ source, record }) => !dataset.teaches(source, record),
    ),
  )
  if (empty.length === dataset.size && !dataset.sources.some(({ drawn }) => drawn)) {
    throw new InputError(
      `${dataset.sources.map(({ file }) => file).join(', ')}: the answer of every record begins after max_length ${maxLength}, nothing can be learned; raise max_length or shorten the questions`,
    )
  }
  for (const { file, record } of empty.slice(0, SHOWN))
    onNotice(`${file}: record ${record}: its answer begins after max_length ${maxLength}, nothing of it is learned`)
  if (empty.length > SHOWN)
    onNotice(`${empty.length} of ${dataset.size} records teach nothing; raise max_length or leave them out`)
}
