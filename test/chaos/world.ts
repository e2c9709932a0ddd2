/** What the runs of a chaos test read and ask: pages, and a model whose replies depend on nothing but the request. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { ResearchBody } from '#contracts';
import { type ServerTurn, startModelServer } from '../support/model-server.ts';
import { questionOf, specOf, thinkAndAnswer, thinkAndCall } from '../support/scripted-research.ts';

/** Names a run in its question and in the pages that it reads, and nowhere else. All tags have one length. */
export type Tag = string;

export const tagPattern = /s\d\dr\d\dk\d\d\d/g;

export function tagOf(scope: string, key: number): Tag {
  return `${scope}k${String(key).padStart(3, '0')}`;
}

/** A scenario and its round: what all of its tags begin with. */
export function scopeOf(scenario: number, round: number): string {
  return `s${String(scenario).padStart(2, '0')}r${String(round).padStart(2, '0')}`;
}

/** How a run goes. All runs of one shape end with the same report, but for their tags, ids and times. */
interface Shape {
  /** How many pages each model reply before the answer asks for, each with a call of its own. */
  readonly pages: readonly number[];
  readonly steps: number;
}

/** The third asks once for a search, which is not there for it; the last is cut short by its budget. */
const shapes: readonly Shape[] = [
  { pages: [1, 1, 2], steps: 20 },
  { pages: [2, 1, 1, 1], steps: 20 },
  { pages: [1, 0, 1], steps: 20 },
  { pages: [1, 2, 1, 1, 1], steps: 4 },
];

export const shapeCount = shapes.length;

/** Which shape the run of a tag has. */
export function shapeOf(tag: Tag): number {
  return Number(tag.slice(-3)) % shapes.length;
}

const shapeAt = (index: number): Shape => shapes[index] ?? { pages: [], steps: 1 };

/** A page was asked for: a call was performed, as far as anybody can see from outside. */
export interface Visit {
  readonly url: string;
  /** Milliseconds since 1970 by this machine's clock, which is the database's, too. */
  readonly at: number;
}

/** The model was asked. */
export interface Asking {
  readonly tag: Tag;
  /** How many replies the run had before. */
  readonly turn: number;
}

/** Writes of a reply with one event of text: role, text, end, usage, done. */
export const partsOfReply = 5;

/** Milliseconds until a page comes. */
const pageMs = 30;

/** How long the model takes. May be changed at any time. */
export interface Pace {
  /** Milliseconds of each part of a reply. */
  partMs: number;
  /** `partMs` of single runs. */
  readonly slow: Map<Tag, number>;
}

export interface World {
  readonly visits: readonly Visit[];
  readonly asked: readonly Asking[];
  readonly pace: Pace;
  /** ARGOSY_MODEL. */
  readonly modelSpec: string;
  /** ARGOSY_EGRESS_ALLOW. */
  readonly siteAddress: string;
  bodyOf(tag: Tag): ResearchBody;
  close(): Promise<void>;
}

/** Starts the model and the site, both on loopback, both in this process. */
export async function startWorld(): Promise<World> {
  const visits: Visit[] = [];
  const asked: Asking[] = [];
  const pace: Pace = { partMs: 40, slow: new Map() };
  const site = createServer((request, response) => {
    visits.push({ url: `http://${request.headers.host}${request.url}`, at: Date.now() });
    const answer = async (): Promise<void> => {
      await pause(pageMs);
      response.writeHead(200, { 'content-type': 'text/markdown' }).end(pageText(request.url ?? ''));
    };
    answer().catch(() => response.destroy());
  });
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
  const siteAddress = `127.0.0.1:${(site.address() as AddressInfo).port}`; // it listens on a host and a port
  const model = await startModelServer((request) => {
    const [tag = ''] = questionOf(request).match(tagPattern) ?? [];
    const turn = request.body.messages.filter(({ role }) => role === 'assistant').length;
    asked.push({ tag, turn });
    return reply({ tag, turn, site: siteAddress, delayMs: pace.slow.get(tag) ?? pace.partMs });
  });
  return {
    visits,
    asked,
    pace,
    siteAddress,
    modelSpec: specOf(model),
    bodyOf: (tag) => bodyOf(tag, siteAddress),
    close: async () => {
      const closed = once(site, 'close');
      site.close();
      site.closeAllConnections();
      await Promise.all([closed, model.close()]);
    },
  };
}

/** Room for every shape, small enough to be kept account of. */
const budget = { tokens: 400_000, seconds: 900, usd: 5 };

function bodyOf(tag: Tag, site: string): ResearchBody {
  const { pages, steps } = shapeAt(shapeOf(tag));
  const urls = pages.flatMap((count, step) => pagesOf(tag, step, count, site));
  const question = `${tag}: how many ships did each keeper count?`;
  return { question, sources: { urls }, budget: { ...budget, steps } };
}

function pagesOf(tag: Tag, step: number, count: number, site: string): string[] {
  return Array.from({ length: count }, (_, i) => `http://${site}/${tag}/${shapeOf(tag)}-${step}-${i}.md`);
}

/** The same text for every run of a shape. */
function pageText(path: string): string {
  const [shape = '', step = '', index = ''] = (/(\d)-(\d)-(\d)\.md$/.exec(path) ?? []).slice(1);
  return `# Lighthouse ${shape}${step}${index}\n\nOn day ${step} ${sentenceOf(shape, step, index)}. Then night fell.\n`;
}

const sentenceOf = (shape: number | string, step: number | string, index: number | string): string =>
  `the keeper of lighthouse ${shape}${step}${index} counted ${shape}${index}${step} ships`;

interface Asked extends Asking {
  readonly site: string;
  readonly delayMs: number;
}

function reply({ tag, turn, site, delayMs }: Asked): ServerTurn {
  const shape = shapeOf(tag);
  const { pages } = shapeAt(shape);
  const count = pages[turn];
  const text = count === undefined ? answerOf(shape, pages) : callsOf(pagesOf(tag, turn, count, site));
  // One event for all of the text.
  return { text, delayMs, eventCharacters: 10_000 };
}

function callsOf(urls: readonly string[]): string {
  if (urls.length === 0) return thinkAndCall('search', { query: ['ships counted'] });
  return urls.map((url) => thinkAndCall('visit', { url: [url], goal: 'ships counted' })).join('\n');
}

/** Cites the first page of every step, by the number that it has in the order of first appearance. */
function answerOf(shape: number, pages: readonly number[]): string {
  let source = 1;
  const claims = pages.flatMap((count, step) => {
    if (count === 0) return [];
    const claim = `In short, ${count} were asked. <cite source="s${source}">${sentenceOf(shape, step, 0)}</cite>`;
    source += count;
    return [claim];
  });
  return thinkAndAnswer(claims.join(' '));
}
