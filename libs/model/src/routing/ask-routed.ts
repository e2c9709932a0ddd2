import { inSpan, spanKeys } from '#platform';
import type { Failed } from '../openai-faults.ts';
import type { Attempt } from '../retry.ts';
import type { RoutedTurn, SessionRouter } from './session-router.ts';

/** How a turn is asked for. */
export interface RoutedAsk<T> {
  readonly router: SessionRouter;
  readonly turn: RoutedTurn;
  /** @param traceparent the span that asks; undefined where there is none */
  ask(group: string, traceparent: string | undefined): Promise<Attempt<T>>;
  /** The span that each try is under. */
  readonly under: string | undefined;
  /** When it fires, the last answer is the answer. */
  readonly stop: AbortSignal;
  /** Told of the homes that the session has left, once another group has it. */
  left(groups: ReadonlySet<string>): void;
  /** What to make of it that none can answer; the last refusal is the last group's. */
  refusedByAll(refusals: readonly Failed[]): Attempt<T>;
}

/** Asks the home of a session; where that cannot answer, the next best group at once, until each was asked. */
export async function askRouted<T>({ router, turn, ...how }: RoutedAsk<T>): Promise<Attempt<T>> {
  const refusing = new Map<string, Failed>();
  const before = new Set<string>();
  for (;;) {
    const route = await router.route({ ...turn, refusing: new Set(refusing.keys()) });
    if (route === null) return how.refusedByAll([...refusing.values()]);
    if (route.from !== null) before.add(route.from);
    const result = await traced(route.group, how);
    if (result.ok) {
      router.taken(turn, route.group);
      before.delete(route.group);
      how.left(before);
      return result;
    }
    if (result.because === undefined || how.stop.aborted) return result;
    if (result.because === 'gone') router.failed(route.group);
    // Who is at home there waits in line there: what is kept for it is worth more than a shorter line.
    if (result.because === 'busy' && route.by === 'home') return result;
    refusing.set(route.group, result);
  }
}

async function traced<T>(group: string, { ask, under }: Pick<RoutedAsk<T>, 'ask' | 'under'>): Promise<Attempt<T>> {
  const fields = { [spanKeys.host]: URL.parse(group)?.host || group };
  return await inSpan('ask model', { under, kind: 'client', fields }, async (span) => {
    const result = await ask(group, span.traceparent);
    if (!result.ok) span.fail(result.fault.kind);
    return result;
  });
}
