/** Tests that take longer than a developer waits run where XCOMPOSER_TESTS is "all", as in CI. */
export const runsSlow = process.env.XCOMPOSER_TESTS === 'all'
/** Stands in the name of what is skipped without it. */
export const SLOW = 'slow: XCOMPOSER_TESTS=all runs it'
