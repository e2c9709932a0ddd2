import { DeadlineExceeded, messageOf } from '#errors';

/** One line of what was looked at. */
export interface Finding {
  /** What it is about: `postgres`, `disk`. */
  readonly about: string;
  readonly state: 'ok' | 'warn' | 'fail';
  readonly says: string;
  /** What to do; null where there is nothing to do. */
  readonly advice: string | null;
}

/** Looks at one thing. `signal` fires when its time is over. What it throws is its fault. */
export interface Check {
  readonly about: string;
  readonly look: (signal: AbortSignal) => Promise<readonly Finding[]>;
}

export const ok = (about: string, says: string): Finding => ({ about, state: 'ok', says, advice: null });
export const warn = (about: string, says: string, advice: string): Finding => ({ about, state: 'warn', says, advice });
export const fail = (about: string, says: string, advice: string | null = null): Finding => {
  return { about, state: 'fail', says, advice };
};

/** Looks at all at once, each for so long at most, and tells what was found in the order of the checks. */
export async function examine(checks: readonly Check[], limitMs: number): Promise<Finding[]> {
  return (await Promise.all(checks.map((check) => lookWithin(check, limitMs)))).flat();
}

async function lookWithin({ about, look }: Check, limitMs: number): Promise<readonly Finding[]> {
  const over = new AbortController();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    over.abort();
    late.reject(new DeadlineExceeded(`Looking at ${about}`, limitMs));
  }, limitMs);
  try {
    return await Promise.race([look(over.signal), late.promise]);
  } catch (error) {
    return [fail(about, messageOf(error))];
  } finally {
    clearTimeout(timer);
    late.promise.catch(() => undefined);
  }
}

const marks = { ok: 'ok  ', warn: 'WARN', fail: 'FAIL' } as const;

/** For people: a line for each, and under it what to do. */
export function findingLines(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ about }) => about.length), 0);
  const lines = findings.flatMap(({ about, state, says, advice }) => [
    `${marks[state]}  ${about.padEnd(width)}  ${says}`,
    ...(advice === null ? [] : [`${' '.repeat(6 + width + 2)}${advice}`]),
  ]);
  const count = (state: Finding['state']): number => findings.filter((finding) => finding.state === state).length;
  return `${[...lines, '', `${count('ok')} ok, ${count('warn')} warn, ${count('fail')} fail`].join('\n')}\n`;
}
