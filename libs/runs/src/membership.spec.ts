import { once } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Membership } from './membership.ts';
import type { Rows, Statements } from './store/database.ts';

/** A database that can go away, and tells of each statement. */
class Leases implements Statements {
  away = false;
  readonly statements: string[] = [];
  #onStatement: () => void = () => undefined;

  async query<R>(text: string): Promise<Rows<R>> {
    this.statements.push(text.slice(0, 6));
    this.#onStatement();
    if (this.away) throw new Error('the database is away');
    return { rows: [], changed: 1 };
  }

  /** Resolves once so many more statements came. */
  async more(count: number): Promise<void> {
    const goal = this.statements.length + count;
    await new Promise<void>((resolve) => {
      this.#onStatement = () => this.statements.length >= goal && resolve();
    });
  }
}

describe('Membership', () => {
  const members: Membership[] = [];
  const begin = async (leases: Leases, leaseMs: number): Promise<Membership> => {
    const member = await Membership.begin(leases, { workerId: 'w', role: 'agent-worker', slots: 3 }, leaseMs);
    members.push(member);
    return member;
  };
  afterEach(async () => {
    await Promise.all(members.splice(0).map((member) => member.end()));
  });

  it('renews its lease until it ends, and then gives it up', async () => {
    const leases = new Leases();
    const member = await begin(leases, 1500);
    await leases.more(3);
    await member.end();
    expect(member.lost.aborted).toBe(false);
    expect(leases.statements.at(-1)).toBe('DELETE');
    expect(leases.statements.slice(0, -1).every((verb) => verb === 'INSERT')).toBe(true);
  });

  it('outlives a database that is away for a moment', async () => {
    const leases = new Leases();
    const member = await begin(leases, 1500);
    leases.away = true;
    await leases.more(1);
    leases.away = false;
    await leases.more(1);
    expect(member.lost.aborted).toBe(false);
  });

  it('is lost when the lease ran out, and then never renews it: whoever lost a run must not claim the next', async () => {
    const leases = new Leases();
    const member = await begin(leases, 30);
    leases.away = true;
    await once(member.lost, 'abort');
    const asked = leases.statements.length;
    leases.away = false;
    // Another member's renewals measure the time in which this one stays silent.
    const others = new Leases();
    await begin(others, 30);
    await others.more(3);
    expect(leases.statements).toHaveLength(asked);
  });
});
