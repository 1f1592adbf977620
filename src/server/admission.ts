/**
 * Who may run: so many requests at a time, so many more in a queue, and the rest are told to come again. Clients take turns, each in the
 * order of its own requests, so that one who sends two hundred does not keep out one who sends one. It knows no HTTP.
 */
import { ApiError } from './errors.js'

/** A place among the running; it has one owner, who leaves it. */
export interface Place {
  /** Harmless when called again. */
  leave(): void
}

interface Waiter {
  admit(): void
  refuse(error: ApiError): void
}

/** Weight of the newest request in the average of how long places are held. */
const NEWEST = 0.2

export class Admission {
  private runningCount = 0
  private waitingCount = 0
  /** Waiting requests by client; the first client is the next. */
  private readonly clients = new Map<string, Waiter[]>()
  private heldMs = 1000

  /** @param slots requests that run at a time @param queue requests that wait beyond them */
  constructor(
    readonly slots: number,
    readonly queue: number,
  ) {}

  get running(): number {
    return this.runningCount
  }

  get waiting(): number {
    return this.waitingCount
  }

  /**
   * Waits for a place.
   * @param client whose turn it is: a key or an address
   * @throws ApiError 429 where the queue is full, the signal's reason
   */
  async enter(client: string, signal: AbortSignal): Promise<Place> {
    signal.throwIfAborted()
    if (this.runningCount < this.slots) return this.place()
    if (this.waitingCount >= this.queue) this.makeRoomFor(client)
    return this.wait(client, signal)
  }

  /** A place that nobody waits for, if there is one. */
  tryEnter(): Place | undefined {
    return this.runningCount < this.slots && this.waitingCount === 0 ? this.place() : undefined
  }

  /** Seconds after which asking again has a chance. */
  get retryAfter(): number {
    const rounds = (this.waitingCount + 1) / this.slots
    return Math.min(60, Math.max(1, Math.ceil((rounds * this.heldMs) / 1000)))
  }

  /** The newest request of the client that waits with most gives way to a client that waits with fewer; otherwise there is no room. */
  private makeRoomFor(client: string): void {
    const mine = this.clients.get(client)?.length ?? 0
    let most: [string, Waiter[]] | undefined
    for (const entry of this.clients) if (entry[1].length > (most?.[1].length ?? 0)) most = entry
    if (!most || most[1].length <= mine + 1) throw this.full()
    const [name, waiters] = most
    const newest = waiters.pop()
    if (waiters.length === 0) this.clients.delete(name)
    this.waitingCount--
    newest?.refuse(this.full())
  }

  private full(): ApiError {
    const message = `too many requests: ${this.runningCount} run and ${this.waitingCount} wait; try again later`
    return new ApiError(429, message, { type: 'requests', code: 'rate_limit_exceeded', retryAfter: this.retryAfter })
  }

  private wait(client: string, signal: AbortSignal): Promise<Place> {
    return new Promise((resolve, reject) => {
      const waiters = this.clients.get(client) ?? []
      const onAbort = () => {
        waiters.splice(waiters.indexOf(waiter), 1)
        if (waiters.length === 0 && this.clients.get(client) === waiters) this.clients.delete(client)
        this.waitingCount--
        reject(signal.reason)
      }
      const done = () => signal.removeEventListener('abort', onAbort)
      const waiter: Waiter = {
        admit: () => {
          done()
          resolve(this.place())
        },
        refuse: (error) => {
          done()
          reject(error)
        },
      }
      waiters.push(waiter)
      this.clients.set(client, waiters)
      this.waitingCount++
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  private place(): Place {
    this.runningCount++
    const began = performance.now()
    let left = false
    return {
      leave: () => {
        if (left) return
        left = true
        this.heldMs += NEWEST * (performance.now() - began - this.heldMs)
        this.runningCount--
        this.next()
      },
    }
  }

  private next(): void {
    for (const [client, waiters] of this.clients) {
      if (this.runningCount >= this.slots) return
      const waiter = waiters.shift()
      this.clients.delete(client)
      // Behind all others until its next turn.
      if (waiters.length > 0) this.clients.set(client, waiters)
      this.waitingCount--
      waiter?.admit()
      return
    }
  }
}
