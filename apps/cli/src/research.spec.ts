import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { sealBundle, writeTar } from '#contracts';
import { contentsOf, signingKey } from '../../../test/support/sealing.ts';
import { Client } from './client.ts';
import { plainProgress } from './progress.ts';
import { Inquiry } from './research.ts';
import type { ResearchCommand } from './research-options.ts';

const outDir = mkdtempSync(join(tmpdir(), 'argosy-cli-'));
afterAll(() => rmSync(outDir, { recursive: true }));

const runId = 'run_1';
const contents = contentsOf(runId);
const run = {
  id: runId,
  status: 'completed',
  question: 'Why?',
  model: 'extractive',
  created_at: '2026-01-01T00:00:00Z',
  started_at: null,
  ended_at: '2026-01-01T00:00:01Z',
  queue_position: null,
  budget: { steps: 100 },
  corpora: [],
  metadata: {},
  report: contents.report,
};

/** The tool events of a run, numbered from 1: what progress shows of each is its query. */
const events = ['one', 'two', 'three', 'four'].map((query, index) => {
  const data = { step: 0, tool: 'search', args: { query } };
  return `id: ${index + 1}\nevent: tool.started\ndata: ${JSON.stringify(data)}\n\n`;
});

/** What a gateway does with one request for the events after number `after`. */
type Streaming = (response: ServerResponse, after: number) => void;

interface FakeGateway {
  readonly url: string;
  readonly keys: string[];
  readonly cancelled: string[];
}

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** Plays the part of a gateway; each request for events takes the next of `streams`, the last of them for good. */
async function fakeGateway(streams: readonly Streaming[]): Promise<FakeGateway> {
  const [keys, cancelled]: [string[], string[]] = [[], []];
  let asked = 0;
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const path = request.url ?? '';
    if (path.endsWith('/events')) {
      const stream = streams[Math.min(asked++, streams.length - 1)];
      stream?.(response, Number(request.headers['last-event-id']));
    } else if (path.endsWith('/cancel')) {
      cancelled.push(path);
      response.writeHead(202, { 'content-type': 'application/json' }).end(JSON.stringify(run));
    } else if (request.method === 'POST') {
      keys.push(String(request.headers['idempotency-key']));
      const accepted = { id: runId, status: 'queued', queue_position: 0 };
      response.writeHead(202, { 'content-type': 'application/json' }).end(JSON.stringify(accepted));
    } else if (path.endsWith('/bundle.tar')) {
      response.writeHead(200).end(writeTar(sealBundle(contents, signingKey), 0));
    } else {
      // A run ends with the last stream of its events.
      const now = asked < streams.length ? { ...run, status: 'running', ended_at: null, report: null } : run;
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(now));
    }
  };
  const server = createServer((request, response) => {
    request.resume().on('end', () => answer(request, response));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A TCP server's address is never a pipe name.
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, keys, cancelled };
}

const upTo =
  (last: number, then: (response: ServerResponse) => void): Streaming =>
  (response, after) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(`: a comment\n\n${events.slice(after, last).join('')}`, () => then(response));
  };
const cut = (response: ServerResponse): void => void response.destroy();
const end = (response: ServerResponse): void => void response.end();
const unavailable: Streaming = (response) => {
  response.writeHead(503, { 'content-type': 'application/json', 'retry-after': '0' });
  response.end(JSON.stringify({ error: { code: 'unavailable', message: 'no database', request_id: 'r' } }));
};

function pursue(gateway: FakeGateway, limitMs = 60_000) {
  const interrupt = new AbortController();
  const [lines, printed]: [string[], string[]] = [[], []];
  const terminal = {
    // Every line counts as late, so that none is left out.
    progress: plainProgress({ write: (text: string) => lines.push(text.trimEnd()) }, () => Number.NaN),
    print: (text: string) => void printed.push(text),
    interrupted: interrupt.signal,
  };
  const command: ResearchCommand = {
    question: 'Why?',
    corpora: [],
    body: { question: 'Why?' },
    model: null,
    schemaFile: null,
    outDir,
    jsonFile: null,
    quiet: false,
  };
  const inquiry = new Inquiry(command, command.body, terminal);
  const connection = {
    client: new Client(gateway.url),
    kind: 'remote',
    patience: { limitMs, firstMs: 1, mostMs: 1_000 },
    close: async () => {},
  } as const;
  return { ended: inquiry.pursue(connection), lines, printed, interrupt };
}

/** The queries in what progress showed, in order. */
const queriesIn = (lines: readonly string[]): string[] =>
  lines.flatMap((line) => /^search "(\w+)"/.exec(line)?.[1] ?? []);

describe('a run at a remote gateway', () => {
  it('survives cut and ended streams and a 503: one run, each event shown once, one report', async () => {
    const gateway = await fakeGateway([upTo(1, cut), upTo(3, end), unavailable, upTo(4, end)]);
    const { ended, lines, printed } = pursue(gateway);
    expect(await ended).toBe(0);
    expect(queriesIn(lines)).toEqual(['one', 'two', 'three', 'four']);
    expect(gateway.keys).toHaveLength(4);
    expect(new Set(gateway.keys).size).toBe(1);
    expect(lines.filter((line) => line.includes('connection lost'))).toEqual(['connection lost, reconnecting']);
    expect(printed).toHaveLength(1);
    expect(readFileSync(join(outDir, runId, 'report.md'), 'utf8')).toContain('Because.');
  });

  it('that stays away ends with the run named, and how to follow it', async () => {
    const gateway = await fakeGateway([upTo(1, cut), unavailable]);
    const { ended } = pursue(gateway, 50);
    await expect(ended).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/no database\nRun run_1 goes on at http.*`argosy runs watch run_1`/),
    });
  });

  it('is left running by Ctrl-C, and named', async () => {
    const seen = Promise.withResolvers<void>();
    const gateway = await fakeGateway([upTo(2, () => seen.resolve())]);
    const { ended, interrupt } = pursue(gateway);
    await seen.promise;
    interrupt.abort();
    await expect(ended).rejects.toMatchObject({
      code: 'aborted',
      message: expect.stringMatching(/^Interrupted\. Run run_1 goes on at .*`argosy runs cancel run_1` ends it\.$/),
    });
    expect(gateway.cancelled).toEqual([]);
  });
});
