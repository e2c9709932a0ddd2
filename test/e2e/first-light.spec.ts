import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { z } from 'zod';
import { reportSchema } from '#contracts';
import { argosy, emptyWorkplace, endLeftovers, type Finished, type Running, serve } from '../support/argosy.ts';
import { ferryFacts, writeFerryCorpus } from '../support/ferry-corpus.ts';

type Report = z.infer<typeof reportSchema>;

const question = 'How often does the ferry leave Halloway, and who decides that it stays in the harbour?';
const pageText = 'The bell buoy off Halloway was laid in 1902 and painted green after the storm of 1911.';

const cwd = emptyWorkplace();
const corpus = writeFerryCorpus(cwd);
endLeftovers();

let pages: Server;
let pageUrl: string;

beforeAll(async () => {
  pages = createServer((_, response) => {
    const body = `<html><head><title>The bell buoy</title></head><body><article><p>${pageText}</p></article></body></html>`;
    response.writeHead(200, { 'content-type': 'text/html' }).end(body);
  });
  await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve));
  pageUrl = `http://127.0.0.1:${(pages.address() as AddressInfo).port}/buoy`;
});
afterAll(() => {
  pages.closeAllConnections();
  pages.close();
});

function readReport(file: string): Report {
  return reportSchema.parse(JSON.parse(readFileSync(join(cwd, file), 'utf8')));
}

/** Every citation with the text that stands at its place in the snapshot on disk. */
function citationsOf(report: Report, folder: string): { quote: string; slice: string; uri: string }[] {
  return report.claims.flatMap(({ citations }) =>
    citations.map(({ source, start, end, quote }) => {
      const { sha256 = '', uri = '' } = report.sources.find(({ id }) => id === source) ?? {};
      const snapshot = readFileSync(join(cwd, folder, 'snapshots', `${sha256}.txt`), 'utf8');
      return { quote, slice: snapshot.slice(start, end), uri };
    }),
  );
}

describe('the first question on a new data directory', () => {
  let run: Finished;
  let report: Report;
  let folder: string;

  beforeAll(async () => {
    run = await argosy(['start', question, '--corpus', corpus, '--json', 'r.json', '--out', 'out'], { cwd });
    expect(run).toMatchObject({ exitCode: 0 });
    report = readReport('r.json');
    folder = join('out', report.run_id);
  }, 90_000);

  it('prints the report and nothing else on stdout', () => {
    expect(run.stdout).toBe(`${readFileSync(join(cwd, folder, 'report.md'), 'utf8')}\n`);
    expect(run.stdout).toMatch(/^# How often does the ferry leave Halloway/);
    expect(run.stdout).toContain('every ninety minutes');
    expect(run.stdout).toContain('The harbour master decides');
  });

  it('tells its progress on stderr, in plain lines where that is no terminal', () => {
    expect(run.stderr).toContain(`${corpus}: 5 documents`);
    expect(run.stderr).toMatch(/^search ".*\[step 1, 0 sources, 0 passages\]$/m);
    expect(run.stderr).toMatch(/^search done \[step 1, \d+ sources, \d+ passages\]$/m);
    expect(run.stderr).toContain(`written to ${folder}`);
    expect(run.stderr).not.toContain('\r');
    expect(run.stderr).not.toContain('\u001b');
  });

  it('writes a report that follows its schema and says that no model took part', () => {
    expect(report).toMatchObject({ question, status: 'completed', model: null, incomplete_details: null });
    expect(report.degraded).toEqual(expect.arrayContaining(['no_llm', 'no_web_search']));
    expect(readReport(join(folder, 'report.json'))).toEqual(report);
  });

  it('quotes what stands in the snapshots, character by character', () => {
    const citations = citationsOf(report, folder);
    expect(citations.length).toBeGreaterThan(0);
    for (const { quote, slice } of citations) expect(slice).toBe(quote);
    for (const { sha256 } of report.sources) {
      const bytes = readFileSync(join(cwd, folder, 'snapshots', `${sha256}.txt`));
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
    }
  });

  it('passes verify, and no longer after one byte of a snapshot was changed: the claim is named', async () => {
    const sound = await argosy(['verify', folder], { cwd });
    expect(sound).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^sound: \d+ claims, \d+ citations/) });
    const [claim] = report.claims;
    const source = report.sources.find(({ id }) => id === claim?.citations[0]?.source);
    const file = join(cwd, folder, 'snapshots', `${source?.sha256}.txt`);
    const bytes = readFileSync(file);
    const changed = Buffer.from(bytes);
    changed[0] = (changed[0] ?? 0) ^ 1;
    writeFileSync(file, changed);
    const broken = await argosy(['verify', folder], { cwd });
    writeFileSync(file, bytes);
    expect(broken).toMatchObject({ exitCode: 4, stdout: expect.stringMatching(/^NOT SOUND: claim 1 "/) });
    expect(broken.stdout).toContain(JSON.stringify(claim?.text.replace(/\s+/g, ' ').slice(0, 20)).slice(0, -1));
  });

  it('leaves one file that holds all of it, sealed with the key of the data directory', async () => {
    const bundle = join(folder, 'bundle.tar');
    const own = await argosy(['verify', bundle, '--key', join('.argosy', 'signing-key.pem')], { cwd });
    expect(own).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^sound: .*\nsigned: .* as --key demands\n$/),
    });
    const foreign = await argosy(['verify', bundle, '--key', '0'.repeat(64)], { cwd });
    expect(foreign).toMatchObject({ exitCode: 4, stdout: expect.stringContaining('NOT SOUND') });
    const bytes = readFileSync(join(cwd, bundle));
    const at = bytes.indexOf(report.claims[0]?.citations[0]?.quote ?? '');
    writeFileSync(join(cwd, 'changed.tar'), bytes.with(at, (bytes[at] ?? 0) ^ 1));
    const changed = await argosy(['verify', 'changed.tar'], { cwd });
    expect(changed).toMatchObject({ exitCode: 4, stdout: expect.stringMatching(/^NOT SOUND: .*was changed/) });
    writeFileSync(join(cwd, 'short.tar'), bytes.subarray(0, -600));
    expect(await argosy(['verify', 'short.tar'], { cwd })).toMatchObject({ exitCode: 2, stdout: '' });
  });

  it('is followed by a run that reads no document again and says which page it was not allowed to read', async () => {
    const args = ['start', 'What does a single crossing cost?', '--corpus', corpus, '--url', pageUrl];
    const next = await argosy([...args, '--json', 'blocked.json'], { cwd });
    expect(next).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('four crowns and sixty pence') });
    expect(next.stderr).toContain(`${corpus}: 5 documents`);
    expect(next.stderr).toContain('(unchanged)');
    expect(next.stderr).toMatch(new RegExp(`^ +${pageUrl}: .*not (fetched|allowed)`, 'm'));
    expect(readReport('blocked.json').sources.map(({ uri }) => uri)).not.toContain(pageUrl);
  }, 60_000);
});

describe('questions to a server that runs already', () => {
  let server: Running;

  beforeAll(async () => {
    server = await serve({ cwd, env: { ARGOSY_EGRESS_ALLOW: new URL(pageUrl).host } });
  }, 60_000);
  afterAll(async () => {
    server.kill('SIGTERM');
    await server.finished;
  });

  it.each(ferryFacts)('find what %s says about: %s', async (name, asked, phrase) => {
    const run = await argosy(['start', asked, '--corpus', corpus, '--json', `${name}.json`, '--quiet'], { cwd });
    expect(run).toMatchObject({ exitCode: 0, stderr: '' });
    const report = readReport(`${name}.json`);
    const citations = citationsOf(report, join('argosy-reports', report.run_id));
    const found = citations.filter(({ uri, quote }) => uri.endsWith(`/${name}`) && quote.includes(phrase));
    expect({ phrase, found: found.length > 0, cited: citations }).toMatchObject({ found: true });
    for (const { quote, slice } of citations) expect(slice).toBe(quote);
  });

  it('read a page that the operator allowed and cite it', async () => {
    const asked = 'When was the bell buoy laid?';
    const run = await argosy(['start', asked, '--url', pageUrl, '--json', 'page.json'], { cwd });
    expect(run).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('laid in 1902') });
    const report = readReport('page.json');
    expect(report.sources).toMatchObject([{ uri: pageUrl, title: 'The bell buoy' }]);
    const [citation] = citationsOf(report, join('argosy-reports', report.run_id));
    expect(citation?.slice).toBe(citation?.quote);
  });

  it('end with exit code 3 and what there is when the step budget is too small', async () => {
    const args = ['start', question, '--corpus', corpus, '--max-steps', '1', '--json', 'short.json'];
    const run = await argosy(args, { cwd });
    expect(run).toMatchObject({ exitCode: 3, stdout: expect.stringContaining('**incomplete** (max_steps)') });
    const report = readReport('short.json');
    expect(report).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_steps' } });
    expect(report.incomplete_details?.message).toContain('raise budget.steps');
  });

  it('are listed and shown', async () => {
    const list = await argosy(['runs', 'list'], { cwd });
    expect(list.exitCode).toBe(0);
    const ids = list.stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' ')[0]);
    expect(ids).toContain(readReport('short.json').run_id);
    const shown = await argosy(['runs', 'show', readReport('short.json').run_id], { cwd });
    expect(JSON.parse(shown.stdout)).toMatchObject({ status: 'incomplete', question });
  });

  it('are explained', async () => {
    const { run_id } = readReport('short.json');
    const { stdout, exitCode } = await argosy(['runs', 'explain', run_id], { cwd });
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^run_\w+ {2}incomplete {2}.* with extractive\n/)]);
    expect(stdout).toContain('slowest calls');
  });

  it('are deleted for good', async () => {
    const id = readReport('short.json').run_id;
    const gone = await argosy(['runs', 'delete', id], { cwd });
    expect(gone).toMatchObject({ exitCode: 0, stdout: '', stderr: expect.stringContaining(`run ${id} is gone`) });
    const shown = await argosy(['runs', 'show', id], { cwd });
    expect(shown).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(`There is no run ${id}`) });
  });
});
