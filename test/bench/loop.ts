import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Observation, ToolCall, Turn } from '#domain';
import { type ChatRequest, type Output, OutputParser, tongyiV1 } from '#model';
import { type Benchmark, percentile, type Row, round } from './result.ts';
import { countRows } from './token-counts.ts';

/** What the loop itself costs, without I/O and without a model. Targets stand in the rows. */
export const loop: Benchmark = async (say) => {
  const { turns, from } = await assistantTurns();
  say(`parser: ${turns.length} turns of ${from}`);
  const parser = [4, 64, Infinity].flatMap((size) => parserRows(turns, size));
  say('render: a run of 100,000 tokens');
  const render = renderRows();
  say('count: a run of 100,000 tokens, by a tokenizer');
  const counts = await countRows();
  const at = (name: string) => Number(render.find((row) => row['history'] === name)?.['p95_ms']);
  return {
    params: { turns: from },
    rows: [outcomeRow(turns), ...parser, ...render, ...counts],
    ratios: { 'render p95, 100K-token history to 10K': round(at('90K to 100K tokens') / at('0 to 10K tokens')) },
  };
};

const trajectories = resolve(import.meta.dirname, '../../../shared/data/trajectories/webdancer-60.jsonl');

interface Trajectory {
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}

/** Recorded turns where the recordings are at hand, else made ones of the same size. */
async function assistantTurns(): Promise<{ turns: readonly string[]; from: string }> {
  try {
    const lines = (await readFile(trajectories, 'utf8')).trim().split('\n');
    // The file's own form; what does not fit it fails below.
    const messages = lines.flatMap((line) => (JSON.parse(line) as Trajectory).messages);
    return {
      turns: messages.filter(({ role }) => role === 'assistant').map(({ content }) => content),
      from: 'webdancer-60',
    };
  } catch {
    const call = '<tool_call>\n{"name": "search", "arguments": {"query": ["ships 1964", "who counted"]}}\n</tool_call>';
    const made = Array.from({ length: 125 }, (_, i) => `<think>\n${prose(2_000, i)}\n</think>\n${call}`);
    return { turns: made, from: 'made turns (../shared/data is not there)' };
  }
}

const strings = { type: 'array', items: { type: 'string' } };
const tools = [
  {
    name: 'search',
    description: 'Searches.',
    parameters: { type: 'object', properties: { query: strings }, required: ['query'] },
  },
  {
    name: 'visit',
    description: 'Reads.',
    parameters: { type: 'object', properties: { url: strings, goal: { type: 'string' } } },
  },
];

function requestOf(turns: readonly Turn[]): ChatRequest {
  return { turns, tools, today: '2026-11-23', mustAnswer: false, maxCompletionTokens: 10_000, session: 'bench' };
}

const request = requestOf([{ role: 'question', text: 'Why?' }]);

/** The very calls that stand in the recordings must come out; a turn that comes to nothing fails the benchmark. */
function outcomeRow(turns: readonly string[]): Row {
  let calls = 0;
  let answers = 0;
  for (const text of turns) {
    const reply = tongyiV1.read({ output: parse(text, 4), calls: [], finish: 'stop' }, request);
    const recorded = [...text.matchAll(/<tool_call>\n(.*)\n<\/tool_call>/g)].map((match) => JSON.parse(match[1] ?? ''));
    const same = JSON.stringify(reply.calls.map(({ tool, args }) => ({ name: tool, arguments: args })));
    if (same !== JSON.stringify(recorded)) throw new Error(`parsed ${same} from: ${text.slice(-300)}`);
    if (reply.problem !== undefined) throw new Error(`${reply.problem} from: ${text.slice(-300)}`);
    calls += reply.calls.length;
    answers += reply.answer ? 1 : 0;
  }
  return { what: 'turns parsed as recorded', turns: turns.length, calls, answers };
}

function parse(text: string, size: number): Output {
  const parser = new OutputParser(tongyiV1.stop);
  for (let at = 0; at < text.length; at += size) parser.push(text.slice(at, at + size));
  return parser.end();
}

/** Pieces as a server sends them: 4 characters are about a token. */
function parserRows(turns: readonly string[], size: number): Row[] {
  const pieces = Number.isFinite(size) ? `${size} characters` : 'whole turns';
  const read = (text: string) => tongyiV1.read({ output: parse(text, size), calls: [], finish: 'stop' }, request);
  return [
    { what: 'parser', pieces, ...speedOf(turns, (text) => parse(text, size)), target_mb_s: 20 },
    { what: 'parser, calls checked, answers cut into claims', pieces, ...speedOf(turns, read) },
  ];
}

const rounds = 100;

/** Megabytes of UTF-8 in a second: of wall time, the median round; of processor time, all rounds. */
function speedOf(turns: readonly string[], work: (text: string) => unknown): Row {
  const megabytes = turns.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 1e6;
  for (let time = 0; time < 20; time++) turns.forEach(work);
  const times: number[] = [];
  const before = process.cpuUsage();
  for (let time = 0; time < rounds; time++) {
    const start = performance.now();
    turns.forEach(work);
    times.push((performance.now() - start) / 1000);
  }
  const { user, system } = process.cpuUsage(before);
  return {
    mb_s: round(megabytes / percentile(times, 0.5), 1),
    mb_s_of_cpu: round((megabytes * rounds) / ((user + system) / 1e6), 1),
  };
}

const charactersPerToken = 4;
const stepTokens = 1_000;

/** Runs of 100 steps of 1,000 tokens; what one step renders: two estimates and the prompt itself, as the driver does. */
function renderRows(): Row[] {
  const times = new Map<string, number[]>();
  const cold: number[] = [];
  for (let run = 0; run < 10; run++) {
    const turns: Turn[] = [{ role: 'question', text: `Question ${run}?` }];
    for (let step = 0; step < 100; step++) {
      const tens = Math.floor(step / 10) * 10;
      const history = `${tens === 0 ? 0 : `${tens}K`} to ${tens + 10}K tokens`;
      turns.push(...stepTurns(run, step));
      const start = performance.now();
      for (let render = 0; render < 3; render++) tongyiV1.render(requestOf([...turns]));
      times.set(history, [...(times.get(history) ?? []), performance.now() - start]);
    }
    const elsewhere = structuredClone(turns);
    const start = performance.now();
    tongyiV1.render(requestOf(elsewhere));
    cold.push(performance.now() - start);
  }
  const shown = [...times].filter(([history]) => /^(0|40K|90K) /.test(history));
  return [
    ...shown.map(([history, ms]) => ({ what: 'render, a step', history, ...quantiles(ms), target_p95_ms: 5 })),
    { what: 'render, a run taken over by another worker', history: '100K tokens', ...quantiles(cold) },
  ];
}

function quantiles(ms: readonly number[]) {
  return { p50_ms: round(percentile(ms, 0.5), 3), p95_ms: round(percentile(ms, 0.95), 3) };
}

function stepTurns(run: number, step: number): Turn[] {
  const call: ToolCall = { tool: 'search', args: { query: [`query ${step}`] } };
  const text = `<think>\n${prose(1_200, step)}\n</think>\n<tool_call>\n${JSON.stringify(call)}\n</tool_call>`;
  const sha256 = `${run}-${step}`;
  const found = prose(stepTokens * charactersPerToken - text.length, step + 1);
  const passages = [0, 1, 2, 3].map((part) => {
    const [start, end] = [(found.length / 4) * part, (found.length / 4) * (part + 1)].map(Math.floor);
    return {
      sha256,
      start: start ?? 0,
      end: end ?? 0,
      text: found.slice(start, end),
      headings: ['A', 'B'],
      score: part,
    };
  });
  const source = {
    uri: `https://example.org/${sha256}`,
    title: 'A page',
    sha256,
    bytes: 1,
    fetchedAt: '2026-11-23T00:00:00Z',
  };
  const observation: Observation = { sections: [{ label: 'query', passages }], sources: [source] };
  return [
    { role: 'model', text, calls: [call] },
    { role: 'tools', results: [{ call, observation }] },
  ];
}

/** Words that do not repeat, a sentence of them now and then. */
function prose(characters: number, seed: number): string {
  const words: string[] = [];
  for (let i = 0, length = 0; length < characters; i++) {
    const word = `${((seed + 1) * 7919 * (i + 1)) % 99_991}ships${i % 12 === 11 ? '.' : ''}`;
    words.push(word);
    length += word.length + 1;
  }
  return words.join(' ').slice(0, characters);
}
