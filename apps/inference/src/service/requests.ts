/** What a GenerateRequest asks for, checked field by field. */
import type { inference } from '#contracts/rpc';
import { InvalidInput, type Problem } from '#errors';
import { type Held, type Sampling, samplingOf } from '#moe';
import { heldOf } from './constraints.ts';

/** A request but for its prompt. */
export interface Asked {
  readonly requestId: string;
  readonly tenant: string;
  /** Names what is kept of the session; of two tenants, never the same. Null for a request of no session. */
  readonly session: string | null;
  readonly sampling: Sampling;
  /** What the reply is held to; null for nothing. */
  readonly held: Pick<Held, 'constraint' | 'reasoningTokens'> | null;
  /** Of this reply, what another group had generated. */
  readonly generated: readonly number[];
  /** What the session may come to need in all; null where the request does not say. */
  readonly sessionTokens: number | null;
  readonly priority: number;
  /** From arrival; null for none but the call's own. */
  readonly deadlineMs: number | null;
}

const MOST_NAME = 256;
const MOST_PRIORITY = 1_000;
const MOST_DEADLINE_MS = 24 * 3_600_000;

/**
 * @param defaults where the request says nothing
 * @throws InvalidInput naming every field that cannot be used
 */
export function askedOf(request: inference.GenerateRequest, defaults: Sampling, vocabulary: number): Asked {
  const problems = [...nameProblems(request), ...numberProblems(request), ...generatedProblems(request, vocabulary)];
  const held = collected(problems, () => heldOf(request));
  const sampling = collected(problems, () => samplingOf(request.sampling ?? {}, defaults, vocabulary));
  if (sampling === null || problems.length > 0) throw new InvalidInput(problems);
  const { requestId, sessionId, tenant, priority, deadlineMs, sessionTokensHint } = request;
  return {
    ...{ requestId, tenant, sampling, held, priority },
    session: sessionId === '' ? null : sessionKey(tenant, sessionId),
    generated: request.generated?.ids ?? [],
    sessionTokens: sessionTokensHint === 0 ? null : sessionTokensHint,
    deadlineMs: deadlineMs === 0 ? null : deadlineMs,
  };
}

/** Of two tenants, never the same. */
export function sessionKey(tenant: string, sessionId: string): string {
  return JSON.stringify([tenant, sessionId]);
}

function nameProblems({ requestId, sessionId, tenant }: inference.GenerateRequest): Problem[] {
  const problems: Problem[] = [];
  if (requestId === '')
    problems.push({ path: 'request_id', message: 'is missing: choose an id, unique for each call' });
  for (const [path, name] of Object.entries({ request_id: requestId, session_id: sessionId, tenant })) {
    if (name.length <= MOST_NAME) continue;
    problems.push({ path, message: `has ${name.length} characters; at most ${MOST_NAME} are taken` });
  }
  return problems;
}

function numberProblems({ priority, deadlineMs }: inference.GenerateRequest): Problem[] {
  const problems: Problem[] = [];
  if (Math.abs(priority) > MOST_PRIORITY) {
    problems.push({
      path: 'priority',
      message: `must be from -${MOST_PRIORITY} to ${MOST_PRIORITY}, but is ${priority}`,
    });
  }
  if (deadlineMs > MOST_DEADLINE_MS) {
    problems.push({
      path: 'deadline_ms',
      message: `must be at most ${MOST_DEADLINE_MS}, one day, but is ${deadlineMs}`,
    });
  }
  return problems;
}

function generatedProblems({ generated, sampling }: inference.GenerateRequest, vocabulary: number): Problem[] {
  const ids = generated?.ids ?? [];
  const problems: Problem[] = [];
  const wrong = ids.findIndex((id) => id >= vocabulary);
  if (wrong >= 0) {
    const message = `is ${ids[wrong]}; the model's tokens are 0 to ${vocabulary - 1}`;
    problems.push({ path: `generated.ids[${wrong}]`, message });
  }
  if (ids.length > 0 && sampling?.logprobs !== undefined) {
    const message = 'cannot be had of a reply that began elsewhere: leave them out, or generate it anew';
    problems.push({ path: 'sampling.logprobs', message });
  }
  return problems;
}

function collected<T>(problems: Problem[], read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    problems.push(...error.problems);
    return null;
  }
}
