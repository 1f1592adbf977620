/** A process with a supervisor in the middle of an answer: prints the worker's pid, and waits to be killed. */
import { LONG, never, question, supervised } from './supervised.js'

const supervisor = await supervised()
await supervisor.answer(question(LONG), never).next()
process.stdout.write(`${supervisor.pid}\n`)
