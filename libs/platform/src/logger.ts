/** Severity, least first. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What a log line may carry besides its event: ids, numbers, codes. Never page text, never secrets. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** One wide event per unit of work. */
export interface Logger {
  log(level: LogLevel, event: string, fields?: LogFields): void;
}

const order: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Writes JSON lines: `{"at", "level", "role", "event", ...fields}`. */
export function jsonLogger(role: string, least: LogLevel, write: (line: string) => void): Logger {
  return {
    log(level, event, fields = {}) {
      if (order[level] < order[least]) return;
      write(`${JSON.stringify({ at: new Date().toISOString(), level, role, event, ...fields })}\n`);
    },
  };
}

/** A line of {@link jsonLogger} as a person reads it: `12:30:01.250 WARN gateway not ready code=unavailable`. */
export function readableLine(line: string): string {
  const { at, level, role, event, ...rest } = JSON.parse(line) as Readonly<Record<string, unknown>>; // of jsonLogger
  const fields = Object.entries(rest).filter(([, value]) => value !== null);
  const words = [String(at).slice(11, 23), ...(level === 'info' ? [] : [String(level).toUpperCase()]), role, event];
  return `${[...words, ...fields.map(([key, value]) => `${key}=${shown(value)}`)].join(' ')}\n`;
}

/** All else than plain words in quotes, so that it neither moves the cursor nor looks like another field. */
function shown(value: unknown): string {
  return typeof value === 'string' && /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value);
}
