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
