import { readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Turn } from '#domain';
import { type ChatModel, type ChatRequest, configuredModels } from '#model';
import { tokenizerFolder } from '../support/tokenizer-folder.ts';
import { percentile, type Row, round } from './result.ts';

const steps = 100;
const stepTokens = 1_000;
const runs = 3;

/**
 * What counting prompts by a tokenizer costs: of a step with 1,000 new tokens, and of a whole
 * history that this process has not seen. The small tokenizer is ours; one of 150,000 words works alike.
 */
export async function countRows(): Promise<Row[]> {
  const model = await countingModel();
  const pages = await prose();
  const times = new Map<string, number[]>();
  const rows: Row[] = [];
  for (let run = 0; run < runs; run++) {
    const turns: Turn[] = [{ role: 'question', text: `Question ${run}?` }];
    for (let step = 0; step < steps; step++) {
      turns.push(...(await stepTurns(model, pages, run * steps + step)));
      const tens = Math.floor(step / 10) * 10;
      const request = requestOf([...turns]);
      const start = performance.now();
      await model.countPrompt(request);
      const ms = performance.now() - start;
      times.set(`${tens}K`, [...(times.get(`${tens}K`) ?? []), ms]);
    }
    if (run === runs - 1) rows.push(await coldRow(model, turns));
  }
  for (const from of ['0K', '90K']) {
    const ms = times.get(from) ?? [];
    const quantiles = { p50_ms: round(percentile(ms, 0.5)), p95_ms: round(percentile(ms, 0.95)) };
    rows.push({ what: 'count by tokenizer, a step of 1,000 tokens', history: `from ${from} tokens`, ...quantiles });
  }
  return rows;
}

/** The whole, as a worker counts it that takes a run over: in slices between which other work goes on. */
async function coldRow(model: ChatModel, turns: readonly Turn[]): Promise<Row> {
  const times: number[] = [];
  const held: number[] = [];
  let tokens = 0;
  for (let time = 0; time < 5; time++) {
    const request = requestOf(structuredClone(turns));
    const watch = watchLoop();
    const start = performance.now();
    ({ tokens } = await model.countPrompt(request));
    times.push(performance.now() - start);
    held.push(watch());
  }
  const ms = percentile(times, 0.5);
  const what = 'count by tokenizer, a history not seen before';
  const speed = Math.round((tokens / ms) * 1000);
  return { what, tokens, p50_ms: round(ms), tokens_per_s: speed, longest_hold_ms: round(Math.max(...held)) };
}

/** @returns a function that ends the watch and gives the longest time between two turns of the event loop, in ms */
function watchLoop(): () => number {
  let longest = 0;
  let last = performance.now();
  let watching = true;
  const look = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (watching) setImmediate(look);
  };
  setImmediate(look);
  return () => {
    watching = false;
    return Math.max(longest, performance.now() - last);
  };
}

async function countingModel(): Promise<ChatModel> {
  const folder = await tokenizerFolder();
  const { byName, defaultName } = await configuredModels({
    ARGOSY_MODEL: 'openai:http://127.0.0.1:9/v1#counted',
    ARGOSY_MODEL_CONTEXT_TOKENS: 131_072,
    ARGOSY_MODEL_TOKENIZER: folder,
  });
  await rm(folder, { recursive: true });
  const model = byName.get(defaultName);
  if (!model) throw new Error('the counted model is not among the configured ones');
  return model;
}

/** Words of the repository's own pages. */
async function prose(): Promise<string> {
  const root = resolve(import.meta.dirname, '../..');
  const names = ['README.md', 'docs/architecture.md', 'docs/operations.md', 'docs/api.md'];
  const pages = await Promise.all(names.map((name) => readFile(join(root, name), 'utf8')));
  return pages.join('\n');
}

function requestOf(turns: readonly Turn[]): ChatRequest {
  return { turns, tools: [], today: '2026-11-23', mustAnswer: false, maxCompletionTokens: 10_000, session: 'bench' };
}

/** A thought and a result, each step other words of the pages. */
async function stepTurns(model: ChatModel, pages: string, step: number): Promise<Turn[]> {
  const words = (characters: number, salt: number): string => {
    const start = (step * 7919 + salt) % (pages.length - characters);
    return `${step} ${pages.slice(start, start + characters)}`;
  };
  const call = { tool: 'search', args: { query: [`query ${step}`] } };
  const of = (characters: number): Turn[] => {
    const sha256 = String(step);
    const text = words(Math.round(characters * 0.7), 1);
    const passage = { sha256, start: 0, end: text.length, text, headings: ['A'], score: 1 };
    const source = { uri: 'https://example.org', title: 'A page', sha256, bytes: 1, fetchedAt: '2026-11-23T00:00:00Z' };
    const observation = { sections: [{ label: 'query', passages: [passage] }], sources: [source] };
    return [
      { role: 'model', text: `<think>\n${words(Math.round(characters * 0.3), 0)}\n</think>\n`, calls: [call] },
      { role: 'tools', results: [{ call, observation }] },
    ];
  };
  const tokensOf = async (turns: readonly Turn[]) => (await model.countPrompt(requestOf(turns))).tokens;
  const characters = 2_000;
  const tokens = (await tokensOf(of(characters))) - (await tokensOf([]));
  return of(Math.round((characters * stepTokens) / tokens));
}
