import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { advance, replay } from '#domain';
import { type Output, OutputParser, tongyiV1 } from '#model';
import { observationOf, requestOf, usageOfCall } from '../support/research.ts';
import { chatOf, prose, stepRows } from './loop-steps.ts';
import { type Benchmark, percentile, type Row, round } from './result.ts';
import { countRows } from './token-counts.ts';
import { verifyRows } from './verify-answers.ts';

/** What the loop itself costs, without I/O and without a model. Targets stand in the rows. */
export const loop: Benchmark = async (say) => {
  const { runs, from } = await recordedRuns();
  const turns = runs.flat();
  say(`parser: ${turns.length} turns of ${from}`);
  const parser = [4, 64, Infinity].flatMap((size) => parserRows(turns, size));
  say('steps: runs of 100,000 tokens');
  const steps = stepRows();
  say('verify: 100 claims against 50 sources of 100 KB');
  const verify = verifyRows();
  say('count: a run of 100,000 tokens, by a tokenizer');
  const counts = await countRows();
  const at = (name: string) => Number(steps.find((row) => row['history'] === name)?.['p95_ms']);
  return {
    params: { turns: from },
    rows: [outcomeRow(runs), ...parser, ...steps, ...verify, ...counts],
    ratios: { 'step p95, 100K-token history to 10K': round(at('90K to 100K tokens') / at('0 to 10K tokens')) },
  };
};

const trajectories = resolve(import.meta.dirname, '../../../shared/data/trajectories/webdancer-60.jsonl');

interface Trajectory {
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}

/** The model's turns of recorded runs where the recordings are at hand, else made ones of the same size. */
async function recordedRuns(): Promise<{ runs: readonly (readonly string[])[]; from: string }> {
  try {
    const lines = (await readFile(trajectories, 'utf8')).trim().split('\n');
    // The file's own form; what does not fit it fails below.
    const recorded = lines.map((line) => (JSON.parse(line) as Trajectory).messages);
    const runs = recorded.map((messages) => messages.filter(({ role }) => role === 'assistant'));
    return { runs: runs.map((turns) => turns.map(({ content }) => content)), from: 'webdancer-60' };
  } catch {
    const call = '<tool_call>\n{"name": "search", "arguments": {"query": ["ships 1964", "who counted"]}}\n</tool_call>';
    const made = Array.from({ length: 125 }, (_, i) => `<think>\n${prose(2_000, i)}\n</think>\n${call}`);
    return { runs: made.map((turn) => [turn]), from: 'made turns (../shared/data is not there)' };
  }
}

const chat = chatOf([{ role: 'question', text: 'Why?' }]);

/**
 * The very calls that stand in the recordings must come out and be dispatched, one run after the other; a turn that comes
 * to nothing fails the benchmark.
 */
function outcomeRow(runs: readonly (readonly string[])[]): Row {
  let calls = 0;
  let answers = 0;
  for (const [run, turns] of runs.entries()) {
    const request = requestOf();
    let [state] = replay(request, []);
    for (const [step, text] of turns.entries()) {
      const read = tongyiV1.read({ output: parse(text, 4), calls: [], finish: 'stop' }, chat);
      if (read.problem !== undefined) throw new Error(`${read.problem} from: ${text.slice(-300)}`);
      const reply = { ...read, usage: usageOfCall() };
      const [after, command] = advance(state, { kind: 'model-replied', reply, forced: null }, request.limits);
      const dispatched = command.kind === 'call-tools' ? command.calls : [];
      const recorded = [...text.matchAll(/<tool_call>\n(.*)\n<\/tool_call>/g)].map((match) =>
        JSON.parse(match[1] ?? ''),
      );
      const same = JSON.stringify(dispatched.map(({ tool, args }) => ({ name: tool, arguments: args })));
      if (same !== JSON.stringify(recorded)) throw new Error(`dispatched ${same} from: ${text.slice(-300)}`);
      calls += dispatched.length;
      answers += read.answer ? 1 : 0;
      if (command.kind !== 'call-tools') break;
      const outcomes = dispatched.map((call) => ({ call, observation: observationOf(`Found ${run} ${step}.`) }));
      [state] = advance(after, { kind: 'tools-returned', outcomes }, request.limits);
    }
  }
  const turns = runs.reduce((sum, { length }) => sum + length, 0);
  return { what: 'turns parsed and calls dispatched as recorded', runs: runs.length, turns, calls, answers };
}

function parse(text: string, size: number): Output {
  const parser = new OutputParser(tongyiV1.stop);
  for (let at = 0; at < text.length; at += size) parser.push(text.slice(at, at + size));
  return parser.end();
}

/** Pieces as a server sends them: 4 characters are about a token. */
function parserRows(turns: readonly string[], size: number): Row[] {
  const pieces = Number.isFinite(size) ? `${size} characters` : 'whole turns';
  const read = (text: string) => tongyiV1.read({ output: parse(text, size), calls: [], finish: 'stop' }, chat);
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
