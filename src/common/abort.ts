/** What long work asks whether to go on: an AbortSignal, or several in one. */
export interface AbortCheck {
  /** Throws the reason once there is one. */
  throwIfAborted(): void
}
