import { z } from 'zod';
import { InvalidInput, type Problem } from '#errors';

const port = z.coerce.number().int().min(0).max(65_535);
const positive = z.coerce.number().int().positive();

/** Every environment variable that Argosy reads. */
const schema = z.object({
  ARGOSY_DATA_DIR: z.string().min(1).default('.argosy'),
  ARGOSY_HOST: z.enum(['127.0.0.1', 'localhost', '::1']).default('127.0.0.1'),
  ARGOSY_PORT: port.default(7420),
  ARGOSY_MODEL: z.string().min(1).optional(),
  ARGOSY_MODEL_API_KEY: z.string().min(1).optional(),
  ARGOSY_MODEL_CONTEXT_TOKENS: positive.default(131_072),
  ARGOSY_MODEL_PRICES: z
    .string()
    .regex(/^\d+(\.\d+)?,\d+(\.\d+)?,\d+(\.\d+)?$/, 'three numbers: USD per million prompt,cached,completion tokens')
    .optional(),
  ARGOSY_EGRESS_ALLOW: z.string().default(''),
  ARGOSY_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error']).default('warn'),
  ARGOSY_AGENT_CONCURRENCY: positive.default(50),
  ARGOSY_TOOL_CONCURRENCY: positive.default(8),
});

/** Configuration as the process uses it. */
export type Config = Readonly<z.infer<typeof schema>>;

/** Read by the scripts around Argosy, not by Argosy itself. */
const others = new Set(['ARGOSY_NO_INSTALL']);

/**
 * Parses the environment once, at start.
 * @throws InvalidInput listing every bad value, and every ARGOSY_ name that nothing reads
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const ours = Object.entries(env).filter(([name]) => name.startsWith('ARGOSY_') && !others.has(name));
  const problems: Problem[] = ours
    .filter(([name]) => !(name in schema.shape))
    .map(([path]) => ({ path, message: `no such setting; known: ${Object.keys(schema.shape).join(', ')}` }));
  const parsed = schema.safeParse(Object.fromEntries(ours.filter(([, value]) => value !== '')));
  if (!parsed.success) {
    problems.push(...parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })));
  }
  if (!parsed.success || problems.length > 0) throw new InvalidInput(problems);
  return parsed.data;
}

/** Settings that must not be shown. */
const secrets = new Set(['ARGOSY_MODEL_API_KEY']);

/** The configuration for a person to read, secrets masked. */
export function describeConfig(config: Config): Record<string, string> {
  const shown = Object.keys(schema.shape).map((name) => {
    const value: unknown = config[name as keyof Config];
    return [name, value === undefined ? '(not set)' : secrets.has(name) ? '(set)' : String(value)];
  });
  return Object.fromEntries(shown);
}
