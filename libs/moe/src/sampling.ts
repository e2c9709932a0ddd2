/** How a request wants its tokens chosen: the values that make sense, and what the rest is refused with. */
import { InvalidInput, type Problem } from '#errors';

/** Settings of one request, complete. */
export interface Sampling {
  /** 0: the most probable token, ties to the lower id. */
  readonly temperature: number;
  /** The fewest most probable tokens whose probabilities reach this are kept; 1 keeps all. */
  readonly topP: number;
  /** So many most probable tokens are kept; 0 keeps all. */
  readonly topK: number;
  /** Taken off the logit of each token that the reply already holds. */
  readonly presencePenalty: number;
  /** Divides a positive logit of each token that prompt or reply hold, multiplies a negative one; 1 changes nothing. */
  readonly repetitionPenalty: number;
  /** Below 2^53. */
  readonly seed: number;
  /** Strings that end the reply before themselves. */
  readonly stop: readonly string[];
  /** Most tokens that the reply may have. */
  readonly maxTokens: number;
  /** Tokens whose log-probabilities are told beside the chosen one's; null: not even that one's. */
  readonly logprobs: number | null;
}

/** What a request says; the rest is the model's default. */
export type AskedSampling = { readonly [K in keyof Sampling]?: Sampling[K] | undefined };

const MOST_STOPS = 16;
const MOST_STOP_CHARACTERS = 256;
const MOST_LOGPROBS = 20;

/** For each number: whether it can be used, and the words for what can. */
interface Rule {
  readonly field: string;
  readonly fits: (value: number) => boolean;
  readonly range: string;
}

const within = (least: number, most: number) => (value: number) => value >= least && value <= most;
const whole = (least: number, most: number) => (value: number) =>
  Number.isSafeInteger(value) && within(least, most)(value);

function rulesFor(vocabulary: number): Readonly<Partial<Record<keyof Sampling, Rule>>> {
  return {
    temperature: { field: 'temperature', fits: within(0, 10), range: 'a number from 0 to 10' },
    topP: { field: 'top_p', fits: (value) => value > 0 && value <= 1, range: 'a number above 0 and at most 1' },
    topK: {
      field: 'top_k',
      fits: whole(0, vocabulary),
      range: `a whole number from 0 (off) to ${vocabulary}, the vocabulary's size`,
    },
    presencePenalty: { field: 'presence_penalty', fits: within(-2, 2), range: 'a number from -2 to 2' },
    repetitionPenalty: { field: 'repetition_penalty', fits: within(0.01, 10), range: 'a number from 0.01 to 10' },
    seed: { field: 'seed', fits: whole(0, Number.MAX_SAFE_INTEGER), range: 'a whole number from 0 to 2^53 - 1' },
    maxTokens: { field: 'max_tokens', fits: whole(1, 2 ** 31), range: 'a whole number of at least 1' },
    logprobs: { field: 'logprobs', fits: whole(0, MOST_LOGPROBS), range: `a whole number from 0 to ${MOST_LOGPROBS}` },
  };
}

/**
 * Completes what a request asked for with the model's defaults.
 * @throws InvalidInput naming every field that cannot be used, below `sampling.`
 */
export function samplingOf(asked: AskedSampling, defaults: Sampling, vocabulary: number): Sampling {
  const given = Object.entries(asked).filter(([, value]) => value !== undefined);
  const sampling: Sampling = { ...defaults, ...Object.fromEntries(given) };
  const problems: Problem[] = [];
  for (const [name, { field, fits, range }] of Object.entries(rulesFor(vocabulary))) {
    const value = sampling[name as keyof Sampling]; // a key of the rules, which are keyed by it
    if (typeof value !== 'number' || fits(value)) continue;
    problems.push({ path: `sampling.${field}`, message: `must be ${range}, but is ${value}` });
  }
  problems.push(...stopProblems(sampling.stop));
  if (problems.length > 0) throw new InvalidInput(problems);
  return sampling;
}

function stopProblems(stop: readonly string[]): Problem[] {
  const path = 'sampling.stop';
  if (stop.length > MOST_STOPS)
    return [{ path, message: `has ${stop.length} strings; at most ${MOST_STOPS} are taken` }];
  return stop.flatMap((text, i) => {
    if (text.length > 0 && text.length <= MOST_STOP_CHARACTERS) return [];
    return [
      { path: `${path}[${i}]`, message: `must have 1 to ${MOST_STOP_CHARACTERS} characters, but has ${text.length}` },
    ];
  });
}
