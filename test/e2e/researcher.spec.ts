/** Research over a fleet, from the command line to the sealed report, with a model that may quote only what it was shown. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { z } from 'zod';
import { reportSchema } from '#contracts';
import { argosy, emptyWorkplace, endLeftovers, type Running } from '../support/argosy.ts';
import { writeFerryCorpus } from '../support/ferry-corpus.ts';
import { canRunFleet, describeFleet, startFleet } from '../support/local-fleet.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { questionOf, specOf } from '../support/scripted-research.ts';
import { type Fact, type ResearchPlan, scriptedResearcher } from '../support/scripted-researcher.ts';

const cwd = emptyWorkplace();
const corpus = writeFerryCorpus(cwd);
endLeftovers();

const timetable: Fact = { says: 'A boat leaves every hour and a half.', proof: /every \w+ minutes/ };
const price: Fact = { says: 'A crossing costs a little less than five crowns.', proof: 'four crowns and sixty pence' };
const ship: Fact = { says: 'The ship was launched in 1931.', proof: /1931/ };
const lapse: Fact = { says: 'A reservation is held for 25 minutes.', proof: 'Default 25' };
const log: Fact = { says: 'The keeper writes down who passes.', proof: /writes the name of every\s+passing vessel/ };
const refund: Fact = { says: 'A late ticket is refunded by half.', proof: 'by half' };

const lookUps: ResearchPlan['lookUps'] = [
  [{ search: ['ferry leaves Halloway', 'single crossing costs'] }, { search: ['Marguerite launched'] }],
  { search: ['reservation held before it lapses'] },
  { search: ['lightkeeper blue logbook', 'ticket refunded'] },
];

/** Every kind of document is quoted, and all is right the first time. */
const plain = 'What is there to know about the ferry of Halloway?';
/** A wrong quote that is mended, one that is not, and an object that must be mended. */
const strict = 'What does a crossing cost, and how old is the ship?';

const plans: Readonly<Record<string, ResearchPlan>> = {
  [plain]: { lookUps, facts: [timetable, price, ship, lapse, log] },
  [strict]: {
    lookUps,
    facts: [
      { ...timetable, misquoted: 'at first' },
      { ...price, field: { name: 'price' } },
      { ...ship, field: { name: 'launched', read: Number } },
      { ...refund, misquoted: 'always' },
    ],
    misfit: 'at first',
  },
};
const schema = {
  type: 'object',
  properties: { price: { type: 'string' }, launched: { type: 'integer', minimum: 1800 } },
  required: ['price', 'launched'],
  additionalProperties: false,
};

let model: ModelServer;
let fleet: Running;

if (canRunFleet) {
  beforeAll(async () => {
    const players = new Map(Object.entries(plans).map(([question, plan]) => [question, scriptedResearcher(plan)]));
    model = await startModelServer((request, index) => players.get(questionOf(request))?.(request, index) ?? '');
    const env = { ARGOSY_MODEL: specOf(model) };
    fleet = await startFleet({ cwd, args: ['--agents', '1', '--tools', '1'], env });
  }, 90_000);
  afterAll(async () => {
    fleet.kill('SIGINT');
    await fleet.finished;
    await model.close();
  }, 60_000);
}

interface Researched {
  readonly report: z.infer<typeof reportSchema>;
  /** What `argosy verify` says of the report's bundle. */
  readonly verified: string;
}

async function research(question: string, options: readonly string[] = []): Promise<Researched> {
  const args = ['research', question, '--corpus', corpus, '--json', 'r.json', '--out', 'out', ...options];
  const { exitCode, stderr } = await argosy(args, { cwd });
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  const report = reportSchema.parse(JSON.parse(readFileSync(join(cwd, 'r.json'), 'utf8')));
  const verified = await argosy(['verify', join('out', report.run_id, 'bundle.tar')], { cwd });
  return { report, verified: verified.stdout };
}

const verdicts = (proofs: readonly { verdict: string }[]) => proofs.map(({ verdict }) => verdict);
const supported = (count: number) => Array.from({ length: count }, () => 'supported');

describeFleet('research over a fleet by a model that quotes only what it was shown', () => {
  it('ends with every claim proven, in a bundle that is sound', async () => {
    const { report, verified } = await research(plain);
    expect(report).toMatchObject({ status: 'completed', model: 'scripted', removed_claims: 0, output: null });
    expect(report.answer).not.toContain('Not found');
    expect(verdicts(report.claims)).toEqual(supported(5));
    expect(report.sources.map(({ uri }) => uri.replace(/.*\//, ''))).toEqual([
      'timetable.md',
      'tickets.html',
      'vessels.json',
      'booking.d.ts',
      'logbook.pdf',
    ]);
    expect(report.usage).toMatchObject({ steps: 4, model_calls: 4, tool_calls: 4 });
    expect(verified).toMatch(/^sound: 5 claims, 5 citations/);
  }, 60_000);

  it('mends a wrong quote, removes the claim that stays without proof, and fills the schema at the second try', async () => {
    writeFileSync(join(cwd, 'schema.json'), JSON.stringify(schema));
    const { report, verified } = await research(strict, ['--schema', 'schema.json', '--citations', 'strict']);
    expect(report).toMatchObject({ status: 'completed', removed_claims: 1, output_faults: [] });
    expect(report.claims.map(({ text }) => text)).toEqual([timetable.says, price.says, ship.says]);
    expect(verdicts(report.claims)).toEqual(supported(3));
    expect(report.answer).not.toContain(refund.says);
    expect(report.output).toEqual({ price: 'four crowns and sixty pence', launched: 1931 });
    expect(report.output_citations.map(({ path }) => path)).toEqual(['/price', '/launched']);
    expect(verdicts(report.output_citations)).toEqual(supported(2));
    // Three look-ups, the answer and its repair, the object and its repair.
    expect(report.usage).toMatchObject({ steps: 7, model_calls: 7, tool_calls: 4 });
    expect(verified).toMatch(/^sound: 3 claims, 3 citations/);
  }, 60_000);
});
