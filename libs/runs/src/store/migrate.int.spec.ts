import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PgliteDatabase } from '../embedded/pglite-database.ts';
import { migrate, SchemaTooNew } from './migrate.ts';
import { getRun } from './views.ts';

const scriptsBefore = ['0001_runs', '0002_fleet', '0003_corpora', '0004_trace', '0005_pace'];

describe('migrate', () => {
  let folder: string;
  let database: PgliteDatabase;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'argosy-migrate-'));
    database = await PgliteDatabase.open(folder);
    await database.script('CREATE SCHEMA argosy; CREATE TABLE argosy.migrations (version integer PRIMARY KEY)');
    for (const [index, name] of scriptsBefore.entries()) {
      await database.script(await readFile(new URL(`../../migrations/${name}.sql`, import.meta.url), 'utf8'));
      await database.query('INSERT INTO argosy.migrations (version) VALUES ($1)', [index + 1]);
    }
  });
  afterAll(async () => {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('carries what runs have spent and lost into their rows, and keeps calls with their run', async () => {
    await database.script(`
      INSERT INTO argosy.runs (tenant_id, run_id, state, request, schema_version, request_sha256)
      VALUES ('t', 'r1', 'queued', '{"question": "Why?", "sources": {}}', 1, ''), ('t', 'r2', 'queued', '{}', 1, '');
      INSERT INTO argosy.usage VALUES ('t', 'r1', 3, 2, 5000000000, 20, 30, 0.5, 1, 700);
      INSERT INTO argosy.usage (tenant_id, run_id) VALUES ('t', 'r2');
      INSERT INTO argosy.tool_calls (tenant_id, run_id, call_id, step, index, tool, args)
      VALUES ('t', 'r1', 'c1', 1, 0, 'search', '{}'), ('t', 'r2', 'c2', 1, 0, 'search', '{}')`);

    expect(await migrate(database)).toBeGreaterThanOrEqual(6);

    const { rows } = await database.query(
      `SELECT run_id, model_calls, tool_calls, prompt_tokens::float8 AS prompt, cached_tokens::int AS cached,
         completion_tokens::int AS completion, usd FROM argosy.runs ORDER BY run_id`,
    );
    expect(rows).toEqual([
      { run_id: 'r1', model_calls: 3, tool_calls: 2, prompt: 5e9, cached: 20, completion: 30, usd: 0.5 },
      { run_id: 'r2', model_calls: 0, tool_calls: 0, prompt: 0, cached: 0, completion: 0, usd: 0 },
    ]);
    expect(await getRun(database, 't', 'r1')).toMatchObject({ lost: { modelCalls: 1, promptTokens: 700 } });
    await database.query(`DELETE FROM argosy.runs WHERE run_id = 'r1'`);
    expect((await database.query('SELECT call_id FROM argosy.tool_calls')).rows).toEqual([{ call_id: 'c2' }]);
  });

  it('refuses a database of a newer release', async () => {
    await database.query('INSERT INTO argosy.migrations (version) VALUES (9999)');
    await expect(migrate(database)).rejects.toThrow(SchemaTooNew);
  });
});
