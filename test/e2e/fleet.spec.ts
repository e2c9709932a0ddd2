import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { z } from 'zod';
import { explanationResource, reportSchema } from '#contracts';
import { argosy, emptyWorkplace, endLeftovers, eventually, type Running } from '../support/argosy.ts';
import { canRunFleet, describeFleet, fleetFileOf, launchFleet, startFleet } from '../support/local-fleet.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { parsePrometheus, reading } from '../support/prometheus.ts';
import { specOf, thinkAndAnswer, thinkAndCall, toolResponsesIn } from '../support/scripted-research.ts';

type Report = z.infer<typeof reportSchema>;

const cwd = emptyWorkplace();
const fleetFile = fleetFileOf(cwd);
endLeftovers();

const question = 'What do the seven logs of the lightship say?';
/** Page n, from 1, is read in step n. */
const facts = ['calm', 'fog', 'hail', 'rain', 'sleet', 'snow', 'storm'].map(
  (weather, index) => `In the watch number ${index + 1} the keeper of the lightship wrote of ${weather}.`,
);

/** What is to happen once, in the middle of a step: while a model writes, or while a page is read. */
interface Disturbance {
  readonly step: number;
  readonly during: 'model' | 'page';
  happen(): Promise<void>;
}

/** The disturbances that are still to come; empty, a run is left alone. */
let planned: Disturbance[] = [];
let disturbing: Promise<void> = Promise.resolve();

function disturb(step: number, during: Disturbance['during']): void {
  const [next] = planned;
  if (next?.step !== step || next.during !== during) return;
  planned = planned.slice(1);
  disturbing = disturbing.then(async () => await next.happen());
}

let pages: Server;
/** What the site was asked for, in order. */
const asked: string[] = [];
let pageUrls: string[];
let model: ModelServer;
let fleet: Running;

/** Serves page n at /n. A page of the next step is not served before what was to disturb this one is over. */
async function startPages(): Promise<void> {
  pages = createServer((request, response) => {
    asked.push(request.url ?? '');
    if (request.url === '/robots.txt') {
      response.writeHead(404).end();
      return;
    }
    const step = Number(request.url?.slice(1));
    const before = disturbing;
    disturb(step, 'page');
    void before.then(() => {
      const body = `<html><head><title>Log ${step}</title></head><body><article><p>${facts[step - 1]}</p></article></body></html>`;
      // Each run is to read them itself, and not what another one read.
      response.writeHead(200, { 'content-type': 'text/html', 'cache-control': 'no-store' }).end(body);
    });
  });
  await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve));
  // A TCP server's address is never a pipe name.
  const { port } = pages.address() as AddressInfo;
  pageUrls = facts.map((_, index) => `http://127.0.0.1:${port}/${index + 1}`);
}

/** Reads one page after the other and quotes them all. About a third of a second for each reply. */
async function startModel(): Promise<void> {
  const answer = facts.map((fact, index) => `${fact} <cite source="s${index + 1}">${fact}</cite>`).join(' ');
  model = await startModelServer((request) => {
    const step = toolResponsesIn(request).length + 1;
    disturb(step, 'model');
    const url = pageUrls[step - 1];
    const text =
      url === undefined ? thinkAndAnswer(answer) : thinkAndCall('visit', { url: [url], goal: 'the weather' });
    return { text, eventCharacters: 40, delayMs: 60, usage: { prompt: 100 * step, completion: 10 } };
  });
}

if (canRunFleet) {
  beforeAll(async () => {
    await startPages();
    await startModel();
    const env = {
      ARGOSY_LEASE_MS: '2000',
      ARGOSY_MODEL: specOf(model),
      ARGOSY_EGRESS_ALLOW: new URL(pageUrls[0] ?? '').host,
    };
    fleet = await startFleet({ cwd, args: ['--agents', '2', '--tools', '1'], env });
  }, 90_000);
  afterAll(async () => {
    pages.closeAllConnections();
    pages.close();
    await model.close();
  });
}

interface Process {
  readonly pid: number;
  readonly command: string;
}

/** The processes of the fleet that run now, oldest first. */
function processes(): Process[] {
  const { stdout } = spawnSync('ps', ['-axo', 'pid=,ppid=,command='], { encoding: 'utf8' });
  return [...stdout.matchAll(/^ *(\d+) +(\d+) +(.*)$/gm)]
    .filter(([, , parent]) => Number(parent) === fleet.pid)
    .map(([, pid, , command = '']) => ({ pid: Number(pid), command }));
}

/** Kills the oldest process of a kind, and resolves when another one has said that it is there. */
async function kill(kind: RegExp, back: RegExp): Promise<void> {
  const victim = processes().find(({ command }) => kind.test(command));
  if (victim === undefined) throw new Error(`no process fits ${kind}`);
  const from = fleet.stderr.length;
  process.kill(victim.pid, 'SIGKILL');
  const signs = [/argosy: .* was ended by SIGKILL; it is started again in/, back];
  for (const sign of signs) {
    await eventually(async () => sign.exec(fleet.stderr.slice(from)), `${sign} in\n${fleet.stderr.slice(from)}`);
  }
}

async function ask(json: string): Promise<{ report: Report; stderr: string; stdout: string }> {
  const urls = pageUrls.flatMap((url) => ['--url', url]);
  const { exitCode, stderr, stdout } = await argosy(['research', question, ...urls, '--json', json], { cwd });
  expect({ exitCode, stderr, fleet: fleet.stderr }).toMatchObject({ exitCode: 0 });
  return { report: reportSchema.parse(JSON.parse(readFileSync(join(cwd, json), 'utf8'))), stderr, stdout };
}

/** What two runs of the same research have in common: all but ids and times. */
function essence(report: Report): unknown {
  return {
    ...report,
    run_id: '',
    sources: report.sources.map((source) => ({ ...source, fetched_at: '' })),
    usage: { ...report.usage, seconds: 0 },
  };
}

describeFleet('the fleet', () => {
  let undisturbed: Report;

  it('says where it serves in a file of its own, which only its user can read', () => {
    const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(fleet.stderr) ?? [];
    const key = expect.stringMatching(/^arg_live_[0-9a-f]{16}_\w{43}_\w{6}$/);
    expect(JSON.parse(readFileSync(fleetFile, 'utf8'))).toEqual({ url, pid: fleet.pid, key });
    expect(statSync(fleetFile).mode & 0o777).toBe(0o600);
  });

  it('lets nobody in without a key, and makes others for who has that of the file', async () => {
    const { url } = JSON.parse(readFileSync(fleetFile, 'utf8')) as { url: string };
    expect((await fetch(`${url}/v1/research`)).status).toBe(401);
    const made = await argosy(['keys', 'create', '--name', 'ci', '--scope', 'research:read', '--expires', '1d'], {
      cwd,
    });
    const listed = await argosy(['keys', 'list'], { cwd });
    expect(listed.stdout).toMatch(/^[0-9a-f]{16} {2}ci {2}research:read {2}expires \d{4}-.* never used$/m);
    const [, , id = ''] = made.stdout.split('_');
    const env = { ARGOSY_URL: url, ARGOSY_API_KEY: made.stdout.trim() };
    expect(await argosy(['runs', 'list'], { cwd, env })).toMatchObject({ exitCode: 0, stdout: '' });
    expect(await argosy(['keys', 'revoke', id], { cwd })).toMatchObject({ exitCode: 0 });
    expect(await argosy(['runs', 'list'], { cwd, env })).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(/^argosy: This API key is not accepted/),
    });
  });

  it('refuses a second one on the same data directory', async () => {
    const second = await launchFleet({ cwd }).finished;
    expect(second).toMatchObject({ exitCode: 2, stdout: '' });
    expect(second.stderr).toMatch(new RegExp(`^argosy: another fleet \\(process ${fleet.pid}, http.*\\) uses .*\n$`));
  });

  it('answers a question of the command line, which finds it by its file and says so', async () => {
    const { report, stderr } = await ask('undisturbed.json');
    expect(stderr).toMatch(/^using the fleet on http:\/\/127\.0\.0\.1:\d+ \(.*fleet\.json\)$/m);
    expect(report).toMatchObject({ status: 'completed', model: 'scripted' });
    expect(report.claims.map(({ verdict }) => verdict)).toEqual(facts.map(() => 'supported'));
    undisturbed = report;
  }, 60_000);

  it('has its pages fetched by its egress proxy', async () => {
    const [, port] = /egress-1 +\| .* ready port=(\d+)/.exec(fleet.stderr) ?? [];
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    const families = parsePrometheus(await response.text());
    const args = ['runs', 'explain', undisturbed.run_id, '--json'];
    const { calls } = explanationResource.parse(JSON.parse((await argosy(args, { cwd })).stdout));
    const tries = calls.filter(({ kind }) => kind === 'tool').map((call) => call.tries);
    // A call of a worker that a busy machine held up for longer than its lease is begun again, and asks anew.
    const again = tries.reduce((sum, one) => sum + one - 1, 0);
    expect(tries).toHaveLength(facts.length);
    expect(new Set(asked)).toEqual(new Set(['/robots.txt', ...facts.map((_, index) => `/${index + 1}`)]));
    expect(asked.length - 1 - facts.length).toBeLessThanOrEqual(2 * again); // robots.txt, too
    expect(reading(families, 'argosy_egress_exchanges_total', { outcome: 'done' })).toBe(asked.length);
    expect(reading(families, 'argosy_egress_bytes_total', { direction: 'received' })).toBeGreaterThan(700);
  });

  it('gives the same report while each of its processes is killed, one after the other', async () => {
    const victims: Disturbance[] = [
      // One of the two agents drives the run, and kills take turns: the second hits the one that took over.
      { step: 1, during: 'model', happen: () => kill(/agent-worker/, /agent-\d +\| .* ready/) },
      { step: 2, during: 'model', happen: () => kill(/agent-worker/, /agent-\d +\| .* ready/) },
      { step: 3, during: 'page', happen: () => kill(/tool-worker/, /tool-1 +\| .* ready/) },
      { step: 4, during: 'model', happen: () => kill(/gateway/, /gateway-1 +\| .* ready/) },
      { step: 5, during: 'page', happen: () => kill(/dispatcher/, /dispatcher-1 +\| .* ready/) },
      { step: 6, during: 'page', happen: () => kill(/redis-server/, /Redis serves again/) },
      { step: 7, during: 'model', happen: () => kill(/postgres -D/, /PostgreSQL serves again/) },
    ];
    planned = victims;
    const { report, stderr } = await ask('killed.json');
    expect(planned).toEqual([]);
    await disturbing;
    expect(essence(report)).toEqual(essence(undisturbed));
    expect(stderr).toMatch(/^connection lost, reconnecting$/m);
    const shown = stderr.match(/^visit "http.*$/gm) ?? [];
    expect(shown.map((line) => /:\d+\/(\d)/.exec(line)?.[1])).toEqual(facts.map((_, index) => String(index + 1)));
  }, 180_000);

  it('ends at Ctrl-C: with exit code 0, without its file, and leaving no process', async () => {
    const members = processes();
    expect(members.length).toBeGreaterThanOrEqual(7);
    fleet.kill('SIGINT');
    const { exitCode, stderr } = await fleet.finished;
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0, stderr: expect.stringMatching(/argosy: stopping: /) });
    expect(stderr).toMatch(/argosy: the fleet has ended\.\n$/);
    expect(existsSync(fleetFile)).toBe(false);
    // The last to go, shells that watched over the servers, may take a moment.
    const pids = members.map(({ pid }) => String(pid)).join(',');
    const left = (): string => spawnSync('ps', ['-o', 'stat=,command=', '-p', pids], { encoding: 'utf8' }).stdout;
    await eventually(async () => (/^[^Z\n]/m.test(left()) ? null : true), 'the end of every process');
  }, 60_000);
});
