import { type Constraint, type GenerationRequest, Generator, Guides, type Sampling } from '#moe';
import { percentile, type Row, round } from './result.ts';

/** As many as the tokenizers of Qwen have. */
const vocabulary = 151_643;
const END = vocabulary - 1;
const never = new AbortController().signal;

/** What a model with the profile `tongyi-v1` is held to, in small. */
const schema = {
  type: 'object',
  properties: { query: { type: 'array', items: { type: 'string', maxLength: 300 }, minItems: 1, maxItems: 5 } },
  required: ['query'],
};
const form: Constraint = {
  kind: 'sequence',
  parts: [
    { kind: 'literal', text: '<tool_call>\n{"name": "search", "arguments": ' },
    { kind: 'json', schema: JSON.stringify(schema), loose: false, without: [] },
    { kind: 'literal', text: '}\n</tool_call>' },
  ],
};

/**
 * What it costs to keep replies to a form, with a vocabulary of the real size: made-up words, with spaces before them or
 * not, pieces of other scripts, and every byte. The model says the same of all tokens and takes no time.
 */
export async function constraintRows(): Promise<Row[]> {
  const tokens = madeUpTokens();
  const bytesOf = (id: number): Uint8Array => tokens[id] ?? nothing;
  const startedAt = performance.now();
  const guides = new Guides({ size: vocabulary, bytesOf, endIds: new Set([END]) });
  const treeMs = performance.now() - startedAt;
  const free = await runMs(bytesOf, guides, false, 1);
  const first = await runMs(bytesOf, guides, true, 1);
  const warm = await runMs(bytesOf, guides, true, 1);
  const bareMs = percentile(free, 0.5);
  return [
    {
      what: 'constraint',
      vocabulary,
      tokens: first.length,
      tree_ms: round(treeMs),
      free_token_p50_ms: round(bareMs, 3),
    },
    {
      what: 'constraint, states not met before',
      token_p50_ms: round(percentile(first, 0.5), 3),
      token_max_ms: round(Math.max(...first)),
    },
    {
      what: 'constraint, warm',
      token_p50_ms: round(percentile(warm, 0.5), 3),
      token_p95_ms: round(percentile(warm, 0.95), 3),
      beyond_free_p50_ms: round(percentile(warm, 0.5) - bareMs, 3),
    },
  ];
}

const nothing = new Uint8Array(0);

/** One reply of 400 tokens at most. @returns ms from token to token */
async function runMs(
  bytesOf: (id: number) => Uint8Array,
  guides: Guides,
  isHeld: boolean,
  seed: number,
): Promise<number[]> {
  const logits = new Float32Array(vocabulary);
  const model = { step: async (batch: readonly unknown[]) => batch.map(() => logits) };
  const speech = { model: 'none', bytesOf, endIds: new Set([END]), contextTokens: 1_000 };
  const limits = { kvTokens: 1_024, stepTokens: 64, running: 1, waiting: 1, retryAfterMs: 1, weights: new Map() };
  const generator = new Generator(model, speech, limits, () => performance.now());
  const sampling: Sampling = {
    temperature: 1,
    topP: 1,
    topK: 0,
    presencePenalty: 0,
    repetitionPenalty: 1,
    seed,
    stop: [],
    maxTokens: 400,
    logprobs: null,
  };
  const held = { constraint: { form, path: 'grammar' }, reasoningTokens: 0, isReasoning: false, stop: [] };
  const request: GenerationRequest = {
    tenant: 'bench',
    session: null,
    prompt: { ids: [65], ending: 'A' },
    sampling,
    guide: isHeld ? guides.guide(held) : null,
    priority: 0,
    abort: never,
    deadline: never,
  };
  const ms: number[] = [];
  let last = performance.now();
  for await (const event of generator.generate(request)) {
    const now = performance.now();
    if (event.kind === 'delta') ms.push((now - last) / event.tokenIds.length);
    last = now;
  }
  return ms;
}

function madeUpTokens(): Uint8Array[] {
  let state = 7;
  const die = (sides: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
  const letters = 'etaoinshrdlucmfwypvbgkjqxz';
  const word = (length: number): string =>
    Array.from({ length }, () => letters[Math.min(die(26), die(26))] ?? 'e').join('');
  const marks = ['{"', '": "', '", "', '"]', '"}', '":', '\n\n', '},', '()', '//', '="', '";'];
  const all = new Set<string>(marks);
  while (all.size < vocabulary - 257) {
    const kind = die(10);
    if (kind === 0)
      all.add(Array.from({ length: 1 + die(3) }, () => String.fromCodePoint(0x4e00 + die(8_000))).join(''));
    else if (kind === 1) all.add(`${marks[die(marks.length)]}${word(1 + die(4))}`);
    else all.add(`${kind > 5 ? ' ' : ''}${word(2 + die(8))}`);
  }
  const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
  return [...bytes, ...[...all].map((text) => Buffer.from(text))];
}
