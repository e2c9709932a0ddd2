import type { ExplanationResource } from '#contracts';

type Call = ExplanationResource['calls'][number];
type TimeKind = ExplanationResource['segments'][number]['kind'];

/** Columns of the waterfall. */
const width = 48;

/** Rows of the waterfall; of more calls, those that took longest. */
const mostRows = 40;

/** How a kind of time is drawn. */
const glyphs: Readonly<Record<TimeKind, string>> = {
  queue: '.',
  idle: '.',
  engine_queue: '.',
  prefill: '░',
  decode: '▓',
  model: '▓',
  tool_queue: '.',
  tools: '█',
  check: '+',
  commit: '-',
};

/** An explanation for people, as lines for a terminal. */
export function explained(one: ExplanationResource): string {
  const { run_id, status, model, wall_ms } = one;
  const lines = [
    `${run_id}  ${status}  ${seconds(wall_ms)} with ${plain(model)}`,
    ...['', ...breakdown(one)],
    ...titled('slowest calls', one.slowest.map(slowLine)),
    ...titled(legendOf(wall_ms), waterfall(one)),
    ...titled('made more than once', one.retries.map(retryLine)),
    ...titled(
      'faults',
      one.faults.map((f) => `  step ${f.step}  ${plain(f.name)}  ${f.kind}: ${plain(f.message)}`),
    ),
    ...titled('besides', besides(one)),
  ];
  return `${lines.join('\n')}\n`;
}

function titled(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines];
}

function breakdown({ ms, wall_ms }: ExplanationResource): string[] {
  return Object.entries(ms)
    .filter(([, spent]) => spent > 0)
    .map(([kind, spent]) => {
      const share = `${((100 * spent) / Math.max(1, wall_ms)).toFixed(1)} %`;
      return `  ${kind.replace('_', ' ').padEnd(13)}${seconds(spent).padStart(11)}${share.padStart(9)}`;
    });
}

function slowLine(call: Call): string {
  const open = call.to_ms === null ? ', still at it' : '';
  const waited = call.waited_ms >= 1 ? `, waited ${seconds(call.waited_ms)}` : '';
  return `  ${seconds(call.ms).padStart(9)}  ${nameOf(call)}  (step ${call.step}${waited}${open})`;
}

function retryLine(call: Call): string {
  return `  ${String(call.tries).padStart(3)} times  ${nameOf(call)}  (step ${call.step})`;
}

function nameOf({ name, what }: Call): string {
  return what === '' ? plain(name) : `${plain(name)} ${plain(what)}`;
}

function legendOf(wallMs: number): string {
  return `waterfall, ${seconds(wallMs / width)} a column (. waiting  ░ prefill  ▓ decode  █ tool  + check  - commit)`;
}

function waterfall({ calls, segments, wall_ms }: ExplanationResource): string[] {
  const shown = new Set(calls.toSorted((a, b) => b.ms - a.ms).slice(0, mostRows));
  const rows = calls.filter((call) => shown.has(call)).map((call) => rowOf(call, segments, wall_ms));
  const left = calls.length - rows.length;
  const whole = `  ${'all'.padEnd(30)} |${bar(segments, wall_ms)}|`;
  return [whole, ...rows, ...(left > 0 ? [`  and ${left} shorter calls`] : [])];
}

function rowOf(call: Call, segments: ExplanationResource['segments'], wallMs: number): string {
  const label = `${call.step} ${nameOf(call)}`.slice(0, 30).padEnd(30);
  return `  ${label} |${bar(call.kind === 'model' ? ownPieces(call, segments) : piecesOf(call, wallMs), wallMs)}|`;
}

const replyKinds: ReadonlySet<TimeKind> = new Set(['engine_queue', 'prefill', 'decode', 'model']);

function ownPieces({ step }: Call, segments: ExplanationResource['segments']): ExplanationResource['segments'] {
  return segments.filter((piece) => piece.step === step && replyKinds.has(piece.kind));
}

/** A tool's call overlaps others, so that it has no piece of the run's time of its own. */
function piecesOf({ from_ms, to_ms, waited_ms, ms }: Call, wallMs: number): Piece[] {
  const from = from_ms ?? wallMs;
  const to = to_ms ?? from + ms;
  return [
    { kind: 'tool_queue', from_ms: from - waited_ms, to_ms: from },
    { kind: 'tools', from_ms: from, to_ms: to },
  ];
}

type Piece = Pick<ExplanationResource['segments'][number], 'kind' | 'from_ms' | 'to_ms'>;

/** Each column shows what lies over its middle, and what is shorter than a column is shown in the one of its beginning. */
function bar(pieces: readonly Piece[], wallMs: number): string {
  const columnMs = Math.max(1, wallMs) / width;
  const cells = Array.from({ length: width }, () => ' ');
  for (const { kind, from_ms, to_ms } of pieces) {
    if (to_ms <= from_ms) continue;
    const first = Math.min(width - 1, Math.floor(from_ms / columnMs));
    const last = Math.max(first + 1, Math.min(width, Math.round(to_ms / columnMs)));
    for (let at = first; at < last; at++) if (at >= 0 && (at > first || cells[at] === ' ')) cells[at] = glyphs[kind];
  }
  return cells.join('');
}

function besides({ cache, cost, rebought, handovers, put_off }: ExplanationResource): string[] {
  const { prompt_tokens, cached_tokens } = cache;
  const share = prompt_tokens === 0 ? 0 : (100 * cached_tokens) / prompt_tokens;
  const lines = [
    `  ${costLine(cost)}`,
    `  ${cached_tokens} of ${prompt_tokens} prompt tokens were cached (${share.toFixed(1)} %)`,
  ];
  if (rebought.model_calls > 0) {
    const tokens = `about ${rebought.prompt_tokens} prompt tokens`;
    lines.push(`  ${rebought.model_calls} replies were lost with a worker and bought again (${tokens}), not charged`);
  }
  if (handovers > 0) lines.push(`  ${handovers} times the run went to another worker`);
  if (put_off > 0) lines.push(`  ${put_off} times its model had no place for it`);
  return lines;
}

function costLine({
  prompt_tokens,
  completion_tokens,
  nano_usd,
  fees_nano_usd,
  gpu_seconds,
}: ExplanationResource['cost']) {
  const usd = (nano: number): string => (nano / 1e9).toFixed(6);
  const fees = fees_nano_usd === 0 ? '' : ` (${usd(fees_nano_usd)} of it fees)`;
  const gpus = gpu_seconds === null ? '' : `, ${gpu_seconds} GPU seconds`;
  return `${prompt_tokens} prompt and ${completion_tokens} generated tokens, ${usd(nano_usd)} USD${fees}${gpus}`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 1_000 ? 3 : 2)} s`;
}

/** Words of models and pages, without what a terminal would obey. */
function plain(text: string): string {
  return text.replace(/\p{Cc}|\p{Cf}/gu, ' ');
}
