import { beforeEach, describe, expect, it } from '@jest/globals';
import { describeStores } from '../store/stores.contract.ts';
import { Evidence } from './evidence.ts';
import { EvidenceSweep, sweepEvidence } from './sweep.ts';

const never = new AbortController().signal;
const plenty = 1e12;

describeStores((stores) => {
  beforeEach(async () => {
    await stores().database.query('DELETE FROM argosy.evidence');
  });

  /** Entries of so many bytes each, made a minute apart, the first one first. */
  async function fill(count: number, bytes: number): Promise<void> {
    await stores().database.query(
      `INSERT INTO argosy.evidence (tenant_id, key_hash, key, value, bytes, made_at, expires_at)
       SELECT '', lpad(n::text, 5, '0'), n::text, '\\x00', $2::int, now() - ($1::int - n) * interval '1 minute', now() + interval '1 hour'
       FROM generate_series(1, $1::int) n`,
      [count, bytes],
    );
  }
  const keys = async (): Promise<string[]> => {
    const { rows } = await stores().database.query<{ key: string }>(
      'SELECT key FROM argosy.evidence ORDER BY key_hash',
    );
    return rows.map(({ key }) => key);
  };
  const expire = async (where: string, by: string): Promise<void> => {
    await stores().database.query(`UPDATE argosy.evidence SET expires_at = now() - $1::interval WHERE ${where}`, [by]);
  };

  describe('the sweep of evidence', () => {
    it('removes what expired, after a moment for those who waited for it', async () => {
      await fill(4, 10);
      await expire("key = '1'", '2 minutes');
      await expire("key = '2'", '30 seconds');
      expect(await sweepEvidence(stores().database, plenty)).toBe(1);
      expect(await keys()).toEqual(['2', '3', '4']);
    });

    it('leaves what is being made, and removes what a dead maker left', async () => {
      const evidence = new Evidence(stores().database, stores().bus, { pollMs: 60_000 });
      const [gate, begun] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const making = evidence.share({ tenantId: null, key: 'made', freshMs: 0, signal: never }, async () => {
        begun.resolve();
        await gate.promise;
        return { value: 'made', keepMs: 60_000 };
      });
      await begun.promise;
      await expire('true', '2 hours');
      expect(await sweepEvidence(stores().database, plenty)).toBe(0);
      gate.resolve();
      await making;
      await stores().database.query(
        `INSERT INTO argosy.evidence (tenant_id, key_hash, key, claim_id, claimed_until, expires_at)
         VALUES ('', 'dead', 'dead', 'c', now() - interval '2 minutes', now() - interval '2 minutes')`,
      );
      expect(await keys()).toEqual(expect.arrayContaining(['made', 'dead']));
      expect(await sweepEvidence(stores().database, plenty)).toBe(1);
      expect(await keys()).toEqual(['made']);
    });

    it('removes the oldest until the rest has room, and no more', async () => {
      await fill(10, 100);
      expect(await sweepEvidence(stores().database, 1_000)).toBe(0);
      expect(await sweepEvidence(stores().database, 750)).toBe(3);
      expect(await keys()).toEqual(['4', '5', '6', '7', '8', '9', '10']);
      expect(await sweepEvidence(stores().database, 0)).toBe(7);
    });

    it('goes through thousands in batches', async () => {
      await fill(2_300, 1);
      expect(await sweepEvidence(stores().database, 100)).toBe(2_200);
      await expire('true', '1 hour');
      expect(await sweepEvidence(stores().database, 100)).toBe(100);
      expect(await keys()).toEqual([]);
    });

    it('is due at once, and then not with every look', async () => {
      const sweep = new EvidenceSweep(stores().database, 100);
      await fill(2, 100);
      await sweep.ifDue();
      expect(await keys()).toEqual(['2']);
      await stores().database.query(`UPDATE argosy.evidence SET bytes = 200`);
      await sweep.ifDue();
      expect(await keys()).toEqual(['2']);
    });
  });
});
