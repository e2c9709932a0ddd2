import { describe, expect, it } from '@jest/globals';
import { InvalidInput, Unavailable } from '#errors';
import { Refused } from './client.ts';
import { type Contact, outlast, type Patience } from './outage.ts';

const brief: Patience = { limitMs: 60, firstMs: 1, mostMs: 20 };
/** For what ends by itself. */
const long: Patience = { ...brief, limitMs: 60_000 };
const gone = new Unavailable('gone');

/** Makes attempts as told, one after the other; the last is repeated. */
function script(...attempts: readonly ((contact: Contact) => unknown)[]) {
  const notes: string[] = [];
  const interrupt = new AbortController();
  let made = 0;
  const progress = { note: (text: string) => void notes.push(text) };
  const attempt = async (contact: Contact): Promise<unknown> => {
    const next = attempts[Math.min(made, attempts.length - 1)];
    made += 1;
    return await next?.(contact);
  };
  const run = async (patience = brief) => await outlast(attempt, { progress, interrupted: interrupt.signal, patience });
  return { run, notes, interrupt, made: () => made };
}

const fail = (error: Error) => () => {
  throw error;
};
const contactThenFail = (contact: Contact): never => {
  contact.made();
  throw gone;
};

describe('outlast', () => {
  it('repeats what broke off until it succeeds, and tells once', async () => {
    const { run, notes, made } = script(contactThenFail, fail(gone), fail(gone), () => 'report');
    expect(await run(long)).toBe('report');
    expect(notes).toEqual(['connection lost, reconnecting']);
    expect(made()).toBe(4);
  });

  it('does not repeat a first attempt that nobody answered', async () => {
    const { run, notes, made } = script(fail(gone));
    await expect(run()).rejects.toBe(gone);
    expect(notes).toEqual([]);
    expect(made()).toBe(1);
  });

  it('takes 502, 503 and 504 for an outage, also at first, and for a sign that there is a server', async () => {
    const answers = [502, 503, 504].map((status) => fail(new Refused(status, 'http', 'away')));
    const { run, notes } = script(...answers, () => 'report');
    expect(await run(long)).toBe('report');
    expect(notes).toHaveLength(1);
  });

  it.each([
    new Refused(500, 'internal', 'a bug'),
    new Refused(429, 'rate_limited', 'slow down'),
    new Refused(404, 'not_found', 'no such run'),
    new InvalidInput([{ path: 'out', message: 'cannot be written' }]),
  ])('does not repeat $code', async (error) => {
    const { run, made } = script(contactThenFail, fail(error));
    await expect(run()).rejects.toBe(error);
    expect(made()).toBe(2);
  });

  it('waits for as long as Retry-After says, and gives up at once when that is beyond the limit', async () => {
    const { run, made } = script(fail(new Refused(503, 'unavailable', 'away', 61)));
    await expect(run()).rejects.toMatchObject({ status: 503 });
    expect(made()).toBe(1);
  });

  it('gives up with the last error after the limit', async () => {
    const last = new Unavailable('still gone');
    const { run, notes } = script(contactThenFail, fail(last));
    await expect(run()).rejects.toBe(last);
    expect(notes).toHaveLength(1);
  });

  it('gives up on a server that answers and breaks off over and over', async () => {
    const { run, notes } = script(contactThenFail);
    await expect(run()).rejects.toBe(gone);
    expect(notes).toHaveLength(1);
  });

  it('begins a new outage after a contact that held', async () => {
    const held = async (contact: Contact): Promise<never> => {
      contact.made();
      while ((contact.ms ?? 0) < brief.mostMs) await new Promise((resolve) => setImmediate(resolve));
      throw gone;
    };
    const { run, notes } = script(held, held, held, held, () => 'report');
    expect(await run(long)).toBe('report');
    expect(notes).toHaveLength(4);
  });

  it('ends its waiting when interrupted', async () => {
    const { run, interrupt, notes } = script(contactThenFail);
    const ended = run({ limitMs: 60_000, firstMs: 60_000, mostMs: 60_000 });
    interrupt.abort();
    await expect(ended).rejects.toBe(gone);
    expect(notes).toHaveLength(1);
  });
});
