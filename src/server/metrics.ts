/** Counts and durations of a server in the text format of Prometheus (version 0.0.4). */

const DURATION_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]

type Labels = Readonly<Record<string, string>>

interface Family {
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  /** Lines by their name and labels. */
  readonly values: Map<string, number>
}

/** Numbers of one server. Labels must come from fixed sets: whatever a client can choose would grow without bound. */
export class Metrics {
  private readonly families = new Map<string, Family>()

  /** Adds to a counter. */
  count(name: string, help: string, labels: Labels = {}, by = 1): void {
    add(this.family(name, help, 'counter'), `${name}${labelText(labels)}`, by)
  }

  /** Sets a gauge. */
  set(name: string, help: string, value: number, labels: Labels = {}): void {
    this.family(name, help, 'gauge').values.set(`${name}${labelText(labels)}`, value)
  }

  /** Notes a duration in seconds. */
  observe(name: string, help: string, seconds: number, labels: Labels = {}): void {
    const family = this.family(name, help, 'histogram')
    for (const bound of DURATION_BUCKETS)
      add(family, `${name}_bucket${labelText({ ...labels, le: String(bound) })}`, seconds <= bound ? 1 : 0)
    add(family, `${name}_bucket${labelText({ ...labels, le: '+Inf' })}`, 1)
    add(family, `${name}_sum${labelText(labels)}`, seconds)
    add(family, `${name}_count${labelText(labels)}`, 1)
  }

  /** All of them. */
  text(): string {
    return [...this.families]
      .flatMap(([name, { help, type, values }]) => [
        `# HELP ${name} ${help}`,
        `# TYPE ${name} ${type}`,
        ...[...values].map(([line, value]) => `${line} ${value}`),
      ])
      .join('\n')
      .concat('\n')
  }

  private family(name: string, help: string, type: Family['type']): Family {
    const found = this.families.get(name) ?? { help, type, values: new Map<string, number>() }
    this.families.set(name, found)
    return found
  }
}

function add({ values }: Family, line: string, by: number): void {
  values.set(line, (values.get(line) ?? 0) + by)
}

function labelText(labels: Labels): string {
  const entries = Object.entries(labels)
  if (entries.length === 0) return ''
  return `{${entries.map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))}"`).join(',')}}`
}
