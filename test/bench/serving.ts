import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Checkpoint,
  type GenerationRequest,
  Generator,
  localExperts,
  type Model,
  openModel,
  plainBackend,
  tinyShape,
  writeRandomCheckpoint,
} from '#moe';
import { type Benchmark, percentile, type Row, round } from './result.ts';
import { constraintRows } from './serving-constraint.ts';

const agents = 64;
const turns = 4;
const systemTokens = 800;
const newTokens = 40;
const replyTokens = 8;
const histories = [256, 512, 1_024];
const shape = { ...tinyShape, hidden: 32, layers: 2, experts: 8, topK: 2, expertWidth: 16 };
const never = new AbortController().signal;

/** What a cache of prefixes saves agents of many turns, on the CPU engine with a tiny random model. */
export const serving: Benchmark = async (say) => {
  const folder = await mkdtemp(join(tmpdir(), 'argosy-bench-serving-'));
  try {
    await writeRandomCheckpoint(folder, shape, 1);
    const checkpoint = await Checkpoint.open(folder);
    const backend = plainBackend();
    const model = counted(await openModel(checkpoint, backend, await localExperts(checkpoint, backend)));
    await checkpoint.close();
    say(`${agents} agents, ${turns} turns`);
    const crowd = await crowdRows(model);
    say('one agent, histories of several lengths');
    const lone = await loneRows(model);
    say('replies of a given form, with a vocabulary of the real size');
    const held = await constraintRows();
    const later = crowd.filter(({ turn }) => Number(turn) > 1);
    const share = later.reduce((sum, { cached_share }) => sum + Number(cached_share), 0) / later.length;
    const msOf = (what: string, history: number) =>
      Number(lone.find((row) => row['what'] === what && row['history_tokens'] === history)?.['first_token_ms']);
    const [shortest = 0, longest = 0] = [histories[0], histories.at(-1)];
    return {
      params: {
        'target, cached from turn 2 on': 0.9,
        agents,
        turns,
        'system prompt, tokens': systemTokens,
        'new tokens a turn': newTokens,
        'reply, tokens': replyTokens,
      },
      rows: [...crowd, ...lone, ...held],
      ratios: {
        'prompt tokens cached from turn 2 on': round(share, 4),
        'first token behind the longest history to the shortest, cached': round(
          msOf('cached', longest) / msOf('cached', shortest),
        ),
        'ms that a form costs a token, warm, of 1 ms allowed': Number(held.at(-1)?.['beyond_free_p50_ms']),
        'first token behind the longest history to the shortest, not cached': round(
          msOf('cold', longest) / msOf('cold', shortest),
        ),
      },
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

type Counted = Pick<Model, 'step'> & { tokens: number };

/** Counts the tokens that are computed. */
function counted(model: Model): Counted {
  const one: Counted = {
    tokens: 0,
    step: async (batch, signal) => {
      one.tokens += batch.reduce((sum, { tokens }) => sum + tokens.length, 0);
      return await model.step(batch, signal);
    },
  };
  return one;
}

function generatorOf(model: Counted): Generator {
  const speech = {
    model: 'tiny',
    bytesOf: (id: number) => Uint8Array.of(id),
    endIds: new Set<number>(),
    contextTokens: 4_096,
  };
  const limits = {
    kvTokens: 65_536,
    stepTokens: 256,
    running: agents,
    waiting: agents,
    retryAfterMs: 1,
    weights: new Map(),
  };
  return new Generator(model, speech, limits, () => performance.now());
}

const tokensOf = (seed: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => (Math.imul(seed * 977 + i, 0x9e3779b1) >>> 24) % 256);

interface Turn {
  readonly ids: readonly number[];
  readonly cachedTokens: number;
  readonly firstTokenMs: number;
}

async function turnOf(generator: Generator, session: string, ids: readonly number[]): Promise<Turn> {
  const sampling = { temperature: 0, topP: 1, topK: 0, presencePenalty: 0, repetitionPenalty: 1, seed: 1, stop: [] };
  const request: GenerationRequest = {
    tenant: 'bench',
    session,
    prompt: { ids, ending: '' },
    sampling: { ...sampling, maxTokens: replyTokens, logprobs: null },
    guide: null,
    priority: 0,
    abort: never,
    deadline: never,
  };
  const startedAt = performance.now();
  const reply: number[] = [];
  let [cachedTokens, firstTokenMs] = [0, 0];
  for await (const event of generator.generate(request)) {
    if (event.kind === 'accepted') cachedTokens = event.cachedTokens;
    if (event.kind !== 'delta') continue;
    if (reply.length === 0) firstTokenMs = performance.now() - startedAt;
    reply.push(...event.tokenIds);
  }
  return { ids: [...ids, ...reply], cachedTokens, firstTokenMs };
}

/** All agents at once, each with its own questions behind one system prompt. */
async function crowdRows(model: Counted): Promise<Row[]> {
  const generator = generatorOf(model);
  // The first of all agents is alone with the system prompt; the others find it.
  await turnOf(generator, 'first', [...tokensOf(0, systemTokens), 1]);
  let histories = Array.from({ length: agents }, () => tokensOf(0, systemTokens));
  const rows: Row[] = [];
  for (let turn = 1; turn <= turns; turn++) {
    const prompts = histories.map((ids, agent) => [...ids, ...tokensOf(1 + agent * turns + turn, newTokens)]);
    const computedBefore = model.tokens;
    const done = await Promise.all(prompts.map((ids, agent) => turnOf(generator, `agent-${agent}`, ids)));
    const promptTokens = prompts.reduce((sum, ids) => sum + ids.length, 0);
    rows.push({
      what: 'crowd',
      turn,
      prompt_tokens: promptTokens,
      cached_share: round(done.reduce((sum, { cachedTokens }) => sum + cachedTokens, 0) / promptTokens, 4),
      computed_tokens: model.tokens - computedBefore,
      first_token_p50_ms: round(
        percentile(
          done.map(({ firstTokenMs }) => firstTokenMs),
          0.5,
        ),
      ),
    });
    histories = done.map(({ ids }) => [...ids]);
  }
  return rows;
}

/** As many new tokens behind longer and longer histories, with their pages and without; the better of two. */
async function loneRows(model: Counted): Promise<Row[]> {
  const rows: Row[] = [];
  for (const history of histories) {
    for (const what of ['cached', 'cold']) {
      const runs = [];
      for (let run = 0; run < 2; run++) {
        const generator = generatorOf(model);
        const before = tokensOf(history, history - replyTokens);
        const { ids } =
          what === 'cached' ? await turnOf(generator, 'one', before) : { ids: tokensOf(history, history) };
        const computedBefore = model.tokens;
        const turn = await turnOf(generator, 'one', [...ids, ...tokensOf(7, newTokens)]);
        runs.push({ ms: turn.firstTokenMs, prefilled: model.tokens - computedBefore - (replyTokens - 1) });
      }
      const [best] = runs.toSorted((a, b) => a.ms - b.ms);
      rows.push({
        what,
        history_tokens: history,
        new_tokens: newTokens,
        prefilled_tokens: best?.prefilled ?? 0,
        first_token_ms: round(best?.ms ?? 0),
      });
    }
  }
  return rows;
}
