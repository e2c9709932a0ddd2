/** One load of runs, what is seen of it, and the stage that the scenarios of a file share. */
import { afterAll, beforeAll, expect } from '@jest/globals';
import { eventually } from '../support/argosy.ts';
import { Clients, usualPatienceMs } from './clients.ts';
import { checkInvariants, type Observed, plainReport, type Violation } from './invariants.ts';
import { Stage } from './stage.ts';
import { scopeOf, shapeCount, shapeOf, type Tag, tagOf } from './world.ts';

/** One load of runs and what became of it. */
export class Scenario {
  readonly scope: string;
  readonly clients: Clients;
  readonly runs = new Map<Tag, string>();
  readonly cancelled = new Set<string>();
  readonly #stage: Stage;
  /** Runs whose clients still wait for their end. */
  followed = 0;
  readonly #ends: Promise<void>[] = [];

  /** @param port of the gateway that its clients use @param patienceMs how long they wait for an end */
  constructor(stage: Stage, scope: string, port = stage.gatewayPort, patienceMs = usualPatienceMs) {
    this.#stage = stage;
    this.scope = scope;
    this.clients = new Clients(`http://127.0.0.1:${port}`, patienceMs);
  }

  /** Has runs accepted and followed. @returns their tags, when all are accepted */
  async begin(count: number): Promise<Tag[]> {
    const first = this.runs.size;
    const tags = Array.from({ length: count }, (_, i) => tagOf(this.scope, first + i));
    await Promise.all(tags.map((tag) => this.submit(tag)));
    return tags;
  }

  async submit(tag: Tag): Promise<string> {
    const runId = await this.clients.submit(tag, this.#stage.world.bodyOf(tag));
    this.runs.set(tag, runId);
    this.followed += 1;
    const end = this.clients.follow(runId).finally(() => {
      this.followed -= 1;
    });
    end.catch(() => undefined);
    this.#ends.push(end);
    return runId;
  }

  /** The same request as another tenant's, without a client that follows it. */
  async copyFor(tenant: string, tag: Tag, copy: Tag): Promise<void> {
    await this.#stage.withSql(async (client) => {
      const values = [tenant, this.runs.get(tag), tag, copy];
      await client.query(
        `WITH copied AS (
           INSERT INTO argosy.runs (tenant_id, run_id, state, request, schema_version, request_sha256, last_seq)
           SELECT $1, 'copy_' || run_id, 'queued', replace(request::text, $3, $4)::jsonb, schema_version, request_sha256, 1
           FROM argosy.runs WHERE run_id = $2 RETURNING *)
         INSERT INTO argosy.events (tenant_id, run_id, seq, type, schema_version, data)
         SELECT tenant_id, run_id, 1, 'run.accepted', schema_version, '{}' FROM copied`,
        values,
      );
    });
  }

  async cancel(tag: Tag): Promise<void> {
    const runId = this.runs.get(tag) ?? '';
    this.cancelled.add(runId);
    await this.clients.cancel(runId);
  }

  /** Runs that have not ended. */
  async unfinished(): Promise<number> {
    const [row] = await this.#stage.rows<{ n: number }>(
      `SELECT count(*)::int AS n FROM argosy.runs WHERE request ->> 'question' LIKE $1 || '%' AND ended_at IS NULL`,
      [this.scope],
    );
    return row?.n ?? 0;
  }

  /** Runs and calls that were taken from an owner who was gone. */
  async takenOver(): Promise<number> {
    const [row] = await this.#stage.rows<{ n: number }>(
      `SELECT count(*)::int AS n FROM chaos.history h JOIN argosy.runs r USING (tenant_id, run_id)
       WHERE r.request ->> 'question' LIKE $1 || '%' AND h.was = 'running' AND NOT h.owner_alive AND h.worker_id IS NOT NULL
         AND h.became IN ('queued', 'running', 'intent')`,
      [this.scope],
    );
    return row?.n ?? 0;
  }

  /** Steps that the runs of this scenario have committed. */
  async steps(): Promise<number> {
    const [row] = await this.#stage.rows<{ n: number }>(
      `SELECT coalesce(sum(last_step), 0)::int AS n FROM argosy.runs WHERE request ->> 'question' LIKE $1 || '%'`,
      [this.scope],
    );
    return row?.n ?? 0;
  }

  /** Waits until the load has got so far, whatever is done to it. */
  async reaches(steps: number): Promise<void> {
    await eventually(async () => ((await this.steps()) >= steps ? true : null), `${steps} steps of ${this.scope}`);
  }

  /** Waits for the end of every run, and for the queues to be empty. Then checks the invariants. */
  async end(): Promise<void> {
    const ended = await Promise.allSettled(this.#ends);
    const stuck = ended.flatMap((end) => (end.status === 'rejected' ? [String(end.reason)] : []));
    if (stuck.length === 0)
      await eventually(async () => ((await this.unfinished()) === 0 ? true : null), 'the last runs');
    const violations = await this.violations();
    const shown = violations.map(show);
    if (violations.length > 0) shown.push(`rows and history of these runs: ${await this.#keep(violations)}`);
    expect([...shown, ...stuck]).toEqual([]);
    await this.#stage.withQueues(async (queues) => {
      await eventually(async () => ((await queues.unanswered()) === 0 ? true : null), 'queues without rings');
    });
  }

  /** Writes down all that the database knows of the runs that failed. @returns the file */
  async #keep(violations: readonly Violation[]): Promise<string> {
    const ids = [...new Set(violations.map(({ runId }) => runId))].slice(0, 10);
    const known: Record<string, unknown> = { violations };
    for (const table of ['argosy.runs', 'argosy.steps', 'argosy.tool_calls', 'argosy.events', 'chaos.history']) {
      known[table] = await this.#stage.rows(`SELECT * FROM ${table} WHERE run_id = ANY ($1)`, [ids]);
    }
    known['workers'] = await this.#stage.rows(`SELECT * FROM chaos.history WHERE what = 'joined'`);
    return this.#stage.keep(`${this.scope}.json`, known);
  }

  async violations(): Promise<Violation[]> {
    return await this.#stage.withSql(async (client) => await checkInvariants(client, this.observed()));
  }

  /** All that was seen of these runs from outside. */
  observed(): Observed {
    const { world, reports } = this.#stage;
    const ours = <T>(all: readonly T[], text: (each: T) => string): T[] =>
      all.filter((each) => text(each).includes(this.scope));
    return {
      scope: this.scope,
      accepted: this.clients.accepted,
      refused: this.clients.refused,
      streams: this.clients.streams,
      visits: ours(world.visits, ({ url }) => url),
      asked: ours(world.asked, ({ tag }) => tag),
      processOf: (port, at) => this.#stage.processOf(port, at)?.name,
      reports,
      cancelled: this.cancelled,
    };
  }
}

const show = ({ invariant, runId, what }: Violation): string => `${invariant} ${runId}: ${what}`;

/** Undisturbed runs, one of each shape: they say what all others must report. */
export async function rehearse(stage: Stage): Promise<Scenario> {
  const scenario = new Scenario(stage, scopeOf(0, 0));
  await scenario.begin(shapeCount);
  await scenario.end();
  const runs = await stage.rows<{ tag: Tag; report: object }>(
    `SELECT split_part(request ->> 'question', ':', 1) AS tag, report FROM argosy.runs`,
  );
  for (const { tag, report } of runs) stage.reports.set(shapeOf(tag), plainReport(report));
  const shapes = [...stage.reports].toSorted(([a], [b]) => a - b).map(([, report]) => report);
  expect(shapes).toEqual([/completed/, /completed/, /completed/, /max_steps/].map((end) => expect.stringMatching(end)));
  expect(shapes.join()).not.toMatch(/unsupported|"claims":\[\]/);
  return scenario;
}

/** A stage for the tests of a file. @returns gives it inside tests */
export function useStage(name: string): () => Stage {
  let stage: Stage | null = null;
  beforeAll(async () => {
    stage = await Stage.open(name);
    await rehearse(stage);
  }, 60_000);
  afterAll(async () => {
    expect(await stage?.close()).toEqual([]);
  }, 60_000);
  return () => {
    if (stage === null) throw new Error('The stage is there only inside tests.');
    return stage;
  };
}
