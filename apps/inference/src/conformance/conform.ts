/** Holds a group to its contract, and tells an operator what came of it. */
import { messageOf } from '#errors';
import { type Check, checks } from './checks.ts';
import { Inconclusive, Target } from './target.ts';

export interface Verdict {
  readonly name: string;
  readonly result: 'passed' | 'failed' | 'inconclusive' | 'left out';
  /** Why, where it is not `passed`. */
  readonly why: string;
}

export interface ConformOptions {
  /** Also what keeps other callers away for a moment. */
  readonly disturbs: boolean;
}

/**
 * @param address of a group: `host:port` or `unix:/path`, without TLS
 * @param tell is told each verdict as it falls
 */
export async function conform(
  address: string,
  options: ConformOptions,
  tell: (verdict: Verdict) => void,
): Promise<readonly Verdict[]> {
  const target = new Target(address);
  const verdicts: Verdict[] = [];
  try {
    for (const check of checks) {
      const verdict = await verdictOf(check, target, options);
      verdicts.push(verdict);
      tell(verdict);
    }
  } finally {
    target.close();
  }
  return verdicts;
}

async function verdictOf({ name, disturbs, run }: Check, target: Target, options: ConformOptions): Promise<Verdict> {
  if (disturbs && !options.disturbs)
    return { name, result: 'left out', why: 'it keeps other callers away for a moment' };
  try {
    await run(target);
    return { name, result: 'passed', why: '' };
  } catch (error) {
    const result = error instanceof Inconclusive ? 'inconclusive' : 'failed';
    return { name, result, why: messageOf(error) };
  }
}
