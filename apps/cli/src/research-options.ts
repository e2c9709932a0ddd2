import { type ParseArgsConfig, parseArgs } from 'node:util';
import { parseInput, type ResearchBody, researchBody } from '#contracts';
import { InvalidInput, messageOf, type Problem } from '#errors';
import { type ModelSpec, parseModelSpec } from '#model';

/** A parsed `argosy research` command line. */
export interface ResearchCommand {
  readonly question: string;
  /** Paths on this machine. */
  readonly corpora: readonly string[];
  /** The request but for corpora and model name, which are known only once they were looked up. */
  readonly body: ResearchBody;
  readonly model: ModelSpec | null;
  /** Where the JSON Schema lies that the run is to fill. */
  readonly schemaFile: string | null;
  readonly outDir: string;
  readonly jsonFile: string | null;
  readonly quiet: boolean;
}

const options = {
  corpus: { type: 'string', multiple: true },
  url: { type: 'string', multiple: true },
  web: { type: 'boolean' },
  provider: { type: 'string', multiple: true },
  model: { type: 'string' },
  mode: { type: 'string' },
  'max-steps': { type: 'string' },
  'max-seconds': { type: 'string' },
  'max-tokens': { type: 'string' },
  'max-usd': { type: 'string' },
  deadline: { type: 'string' },
  'allow-domain': { type: 'string', multiple: true },
  'deny-domain': { type: 'string', multiple: true },
  'published-after': { type: 'string' },
  'published-before': { type: 'string' },
  citations: { type: 'string' },
  schema: { type: 'string' },
  out: { type: 'string' },
  json: { type: 'string' },
  quiet: { type: 'boolean' },
} as const satisfies ParseArgsConfig['options'];

/** Parses flags as Node does. @throws InvalidInput that names the flag */
export function parseFlags<T extends NonNullable<ParseArgsConfig['options']>>(args: readonly string[], known: T) {
  try {
    return parseArgs({ args: [...args], options: known, allowPositionals: true, strict: true });
  } catch (cause) {
    const flags = Object.keys(known).map((name) => `--${name}`);
    throw new InvalidInput([{ path: '', message: `${messageOf(cause)}\nKnown here: ${flags.join(' ')}` }], { cause });
  }
}

/** @throws InvalidInput listing everything that is wrong with the command line */
export function parseResearch(args: readonly string[]): ResearchCommand {
  const { values, positionals } = parseFlags(args, options);
  const problems: Problem[] = [];
  const [question = '', ...more] = positionals;
  if (positionals.length === 0) problems.push({ path: 'question', message: 'missing: npm start -- "your question"' });
  if (more.length > 0) {
    problems.push({
      path: 'question',
      message: `put it in quotation marks; beside it stands ${JSON.stringify(more.join(' '))}`,
    });
  }
  const budget = budgetOf(values, problems);
  const sources = compact({
    urls: values.url,
    web: values.web,
    providers: values.provider,
    allow_domains: values['allow-domain'],
    deny_domains: values['deny-domain'],
    published_after: values['published-after'],
    published_before: values['published-before'],
  });
  // Resolved, an empty path would be the current folder: what a script gets whose variable is not set.
  if (values.corpus?.includes('')) problems.push({ path: '--corpus', message: 'the path is empty' });
  if (problems.length > 0) throw new InvalidInput(problems);
  const { mode, citations, deadline } = values;
  return {
    question,
    corpora: values.corpus ?? [],
    body: parseBody({ question, budget, sources, ...compact({ mode, citations, deadline }) }),
    model: values.model === undefined ? null : parseModelSpec(values.model),
    schemaFile: values.schema ?? null,
    outDir: values.out ?? 'argosy-reports',
    jsonFile: values.json ?? null,
    quiet: values.quiet ?? false,
  };
}

/** The numbers of the budget flags; what is no number goes to the problems. */
function budgetOf(values: Readonly<Record<string, unknown>>, problems: Problem[]): Record<string, number> {
  const number = (flag: string, whole: boolean): number | undefined => {
    const text = values[flag];
    if (typeof text !== 'string') return undefined;
    const value = Number(text);
    if (text.trim() === '' || !(value > 0) || (whole && !Number.isSafeInteger(value))) {
      problems.push({ path: `--${flag}`, message: `needs a ${whole ? 'whole ' : ''}number above 0` });
    }
    return value;
  };
  return compact({
    steps: number('max-steps', true),
    seconds: number('max-seconds', false),
    tokens: number('max-tokens', true),
    usd: number('max-usd', false),
  });
}

/** The flag behind each field of a request. */
const flagOf: Readonly<Record<string, string>> = {
  mode: '--mode',
  citations: '--citations',
  deadline: '--deadline',
  'budget.steps': '--max-steps',
  'budget.seconds': '--max-seconds',
  'budget.tokens': '--max-tokens',
  'budget.usd': '--max-usd',
  'sources.urls': '--url',
  'sources.providers': '--provider',
  'sources.allow_domains': '--allow-domain',
  'sources.deny_domains': '--deny-domain',
  'sources.published_after': '--published-after',
  'sources.published_before': '--published-before',
};

/** @throws InvalidInput that names flags, not the fields of a request that the user never saw */
function parseBody(body: Record<string, unknown>): ResearchBody {
  try {
    return parseInput(researchBody, body);
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    const problems = error.problems.map(({ path, message }) => {
      return { path: flagOf[path.replace(/\.\d+$/, '')] ?? path, message };
    });
    throw new InvalidInput(problems, { cause: error });
  }
}

/** Without the keys that have no value. */
function compact<T extends Record<string, unknown>>(record: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const kept = Object.entries(record).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as { [K in keyof T]?: NonNullable<T[K]> }; // exactly the entries that have a value
}
