import { z } from 'zod';
import { InvalidInput, type Problem } from '#errors';
import { loginSettings } from './login-settings.ts';
import { address, dated, secret } from './setting-forms.ts';
import { withStandardNames } from './standard-names.ts';

const port = z.coerce.number().int().min(0).max(65_535);
const positive = z.coerce.number().int().positive();
const weightOf = ([tenant = '', weight = '']: readonly string[]) => [tenant, Number(weight)] as const;
const milliseconds = (least: number) => z.coerce.number().int().min(least).max(3_600_000);

/** As OpenTelemetry writes them; values may be percent-encoded. The fault never repeats them: they may be keys. */
const headers = z
  .string()
  .regex(/^[\w-]+=[\x21-\x2b\x2d-\x7e ]*(,\s*[\w-]+=[\x21-\x2b\x2d-\x7e ]*)*$/, 'is not name=value,name=value')
  .transform((text) => Object.fromEntries(text.split(',').map((pair) => headerOf(pair.trim()))))
  .optional();

function headerOf(pair: string): readonly [string, string] {
  const value = pair.slice(pair.indexOf('=') + 1).trim();
  const isEncoded = /^(?:[^%]|%[2-7][\da-f])*$/i.test(value);
  return [pair.slice(0, pair.indexOf('=')).toLowerCase(), isEncoded ? decodeURIComponent(value) : value];
}

const databaseExample = 'postgres://user:password@host:port/database';
const redisExample = 'redis://:password@host:port';

/** Every environment variable that Argosy reads. */
const schema = z.object({
  ARGOSY_DATA_DIR: z.string().min(1).default('.argosy'),
  ARGOSY_HOST: z
    .string()
    .regex(/^[\w.:-]+$/, 'is not a host name or an address')
    .default('127.0.0.1'),
  ARGOSY_PORT: port.default(7420),
  ARGOSY_HEALTH_PORT: port.default(0),
  ARGOSY_DATABASE_URL: address(['postgres:', 'postgresql:'], databaseExample).optional(),
  ARGOSY_REDIS_URL: address(['redis:', 'rediss:'], redisExample).optional(),
  ARGOSY_MIGRATE: z.enum(['start', 'wait']).default('start'),
  ARGOSY_S3_ENDPOINT: address(['http:', 'https:'], 'https://s3.example.com').optional(),
  ARGOSY_S3_REGION: z
    .string()
    .regex(/^[\w-]{1,64}$/, 'is not a name like us-east-1')
    .default('us-east-1'),
  ARGOSY_S3_BUCKET: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'is not the name of a bucket: 3 to 63 of a-z, 0-9, hyphen and dot')
    .optional(),
  ARGOSY_S3_PREFIX: z
    .string()
    .regex(/^(\w[\w.-]{0,99}\/){0,5}$/, 'is not a path like argosy/ that ends with a slash')
    .default(''),
  ARGOSY_S3_ADDRESSING: z.enum(['path', 'host']).default('path'),
  ARGOSY_S3_ACCESS_KEY_ID: secret,
  ARGOSY_S3_SECRET_ACCESS_KEY: secret,
  ARGOSY_S3_CA_FILE: z.string().min(1).optional(),
  ARGOSY_LEASE_MS: milliseconds(1000).default(10_000),
  ARGOSY_GRACE_MS: milliseconds(0).default(25_000),
  ARGOSY_MODEL: z.string().min(1).optional(),
  ARGOSY_MODEL_API_KEY: z.string().min(1).optional(),
  ARGOSY_MODEL_CONSTRAIN: z.enum(['calls', 'response_format', 'structured_outputs']).optional(),
  ARGOSY_MODEL_CONTEXT_TOKENS: positive.default(131_072),
  ARGOSY_MODEL_PRICES: dated(
    /^\d+(\.\d+)?,\d+(\.\d+)?,\d+(\.\d+)?$/,
    'needs three numbers, USD per million prompt, cached and completion tokens, such as 0.3,0.03,1.2',
  ).optional(),
  ARGOSY_TOOL_PRICES: dated(
    /^\w+=\d+(\.\d+)?(,\w+=\d+(\.\d+)?)*$/,
    'needs USD per call by tool, such as search=0.001,visit=0.002',
  ).optional(),
  ARGOSY_KEY_PEPPER: z.string().min(1).optional(),
  ARGOSY_SECRETS_KEY: z.string().min(1).optional(),
  ARGOSY_LIMITS: z.string().min(1).optional(),
  ARGOSY_KEY_ENV: z
    .string()
    .regex(/^[a-z0-9]{1,16}$/, 'is not 1 to 16 of a-z and 0-9')
    .default('live'),
  ...loginSettings,
  ARGOSY_READING: z.enum(['model', 'words']).default('model'),
  ARGOSY_SIGNING_KEY_FILE: z.string().min(1).optional(),
  ARGOSY_MODEL_TOKENIZER: z.string().min(1).optional(),
  ARGOSY_EGRESS_ALLOW: z.string().default(''),
  ARGOSY_EGRESS_DENY: z.string().default(''),
  ARGOSY_BROWSER: z.string().default('auto'),
  ARGOSY_BROWSER_SANDBOX: z.enum(['own', 'pod']).default('own'),
  ARGOSY_EGRESS_URL: address(['http:'], 'http://egress:3128').optional(),
  ARGOSY_SEARCH_PROVIDERS: z.string().min(1).optional(),
  ARGOSY_OWN_KEYS: z.string().min(1).optional(),
  ARGOSY_CONTACT: z
    .string()
    .regex(/^(?:[\w.+-]+@[\w.-]+\.\w+|https?:\/\/[\w./~-]+)$/, 'is not an e-mail address, or a page to write to')
    .optional(),
  ARGOSY_BRAVE_API_KEY: secret,
  ARGOSY_TAVILY_API_KEY: secret,
  ARGOSY_SERPER_API_KEY: secret,
  ARGOSY_EXA_API_KEY: secret,
  ARGOSY_OPENALEX_API_KEY: secret,
  ARGOSY_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error']).default('warn'),
  ARGOSY_OTLP_URL: address(['http:', 'https:'], 'http://collector:4318').optional(),
  ARGOSY_OTLP_HEADERS: headers,
  ARGOSY_OTLP_METRICS_MS: z.coerce.number().int().min(0).max(3_600_000).default(60_000),
  ARGOSY_TRACE_RATIO: z.coerce.number().min(0).max(1).default(1),
  ARGOSY_TRACE_SLOW_MS: positive.default(60_000),
  ARGOSY_AGENT_CONCURRENCY: positive.default(50),
  ARGOSY_TOOLS: z.string().min(1).optional(),
  ARGOSY_TOOL_CONCURRENCY: positive.default(8),
  ARGOSY_INSTANCE: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'is not a name like a machine has')
    .optional(),
  ARGOSY_POOLS_FILE: z.string().min(1).optional(),
  ARGOSY_NAMESPACE: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'is not the name of a namespace')
    .default('default'),
  ARGOSY_SCALE_LEASE: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'is not the name of a Lease')
    .default('argosy-autoscaler'),
  ARGOSY_SCALE_LEASE_MS: milliseconds(3_000).default(30_000),
  ARGOSY_KUBECONFIG: z.string().min(1).optional(),
  ARGOSY_MODEL_TRACE: z.enum(['on', 'off']).default('off'),
  ARGOSY_MODEL_TLS_CA_FILE: z.string().min(1).optional(),
  ARGOSY_MODEL_TLS_CERT_FILE: z.string().min(1).optional(),
  ARGOSY_MODEL_TLS_KEY_FILE: z.string().min(1).optional(),
  ARGOSY_INFERENCE_ROLE: z.enum(['coordinator', 'shard', 'adapter']).optional(),
  ARGOSY_INFERENCE_CHECKPOINT: z.string().min(1).optional(),
  ARGOSY_INFERENCE_NAME: z.string().min(1).max(200).optional(),
  ARGOSY_INFERENCE_LISTEN: z.string().min(1).default('127.0.0.1:50051'),
  ARGOSY_INFERENCE_KV_TOKENS: positive.default(262_144),
  ARGOSY_INFERENCE_STEP_TOKENS: positive.default(512),
  ARGOSY_INFERENCE_RUNNING: positive.default(32),
  ARGOSY_INFERENCE_WAITING: positive.default(64),
  ARGOSY_INFERENCE_SESSION_IDLE_MS: milliseconds(1_000).default(900_000),
  ARGOSY_INFERENCE_WEIGHTS: z
    .string()
    .regex(/^[^=,\s]+=\d+(\.\d+)?(,[^=,\s]+=\d+(\.\d+)?)*$/, 'tenants and weights such as acme=3,others=0.5')
    .transform((text) => new Map(text.split(',').map((pair) => weightOf(pair.split('=')))))
    .refine((weights) => [...weights.values()].every((weight) => weight > 0), 'a weight must be above 0')
    .optional(),
  ARGOSY_INFERENCE_THREADS: positive.max(1_024).optional(),
  ARGOSY_INFERENCE_SHARD_BYTES: positive.default(64 * 2 ** 30),
  ARGOSY_INFERENCE_SHARDS: z
    .string()
    .regex(
      /^(local\/[1-9]\d?|(unix:\/[^,\s]+|[^,\s/]+:\d+)(,(unix:\/[^,\s]+|[^,\s/]+:\d+))*)$/,
      'addresses such as shard-0:50052,unix:/run/shard, or local/2 for two in the coordinator itself',
    )
    .refine((text) => new Set(text.split(',')).size === text.split(',').length, 'names a shard twice')
    .optional(),
  ARGOSY_INFERENCE_SHARD_CA_FILE: z.string().min(1).optional(),
  ARGOSY_INFERENCE_SHARD_CERT_FILE: z.string().min(1).optional(),
  ARGOSY_INFERENCE_SHARD_KEY_FILE: z.string().min(1).optional(),
  ARGOSY_INFERENCE_SERVER: address(['http:', 'https:'], 'http://127.0.0.1:8000').optional(),
  ARGOSY_INFERENCE_SERVER_API_KEY: secret,
  ARGOSY_INFERENCE_SILENCE_MS: milliseconds(1).default(120_000),
  ARGOSY_INFERENCE_GPUS: z.coerce.number().int().min(0).max(65_536).default(0),
  ARGOSY_INFERENCE_REPLICAS: positive.max(64).default(1),
  ARGOSY_INFERENCE_REDUNDANT: z.coerce.number().int().min(0).max(65_536).default(0),
  ARGOSY_INFERENCE_COMBINE: z.enum(['deterministic', 'reduced']).default('reduced'),
  ARGOSY_INFERENCE_WIRE: z.enum(['f32', 'bf16']).default('bf16'),
  ARGOSY_INFERENCE_PATIENCE_MS: milliseconds(1).default(30_000),
  ARGOSY_INFERENCE_TLS_CA_FILE: z.string().min(1).optional(),
  ARGOSY_INFERENCE_TLS_CERT_FILE: z.string().min(1).optional(),
  ARGOSY_INFERENCE_TLS_KEY_FILE: z.string().min(1).optional(),
});

/** Configuration as the process uses it. */
export type Config = Readonly<z.infer<typeof schema>>;

/** Configuration of a process of the fleet, which cannot do without its stores. */
export type FleetConfig = Config & Readonly<Record<'ARGOSY_DATABASE_URL' | 'ARGOSY_REDIS_URL', string>>;

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads a value whose form only other libs know; its InvalidInput becomes a problem of that setting. */
export type ConfigChecks = Readonly<Partial<Record<keyof Config, (text: string) => unknown>>>;

/** Read by the scripts around Argosy and by its command line. */
const others = new Set([
  'ARGOSY_NO_INSTALL',
  'ARGOSY_URL',
  'ARGOSY_API_KEY',
  'ARGOSY_CONFORMANCE_URL',
  'ARGOSY_CONFORMANCE_CHECKPOINT',
]);

/**
 * Parses the environment once, at start.
 * @throws InvalidInput listing every bad value, and every ARGOSY_ name that nothing reads
 */
export function readConfig(env: Environment, checks: ConfigChecks = {}): Config {
  const { config, problems } = parse(env, checks);
  if (config === null || problems.length > 0) throw new InvalidInput(problems);
  return config;
}

/**
 * The same for a service, which logs at `info` where nothing else is said.
 * @throws InvalidInput as {@link readConfig}
 */
export function readServiceConfig(env: Environment, checks: ConfigChecks = {}): Config {
  return readConfig(logging(env), checks);
}

function logging(env: Environment): Environment {
  return { ...env, ARGOSY_LOG_LEVEL: env['ARGOSY_LOG_LEVEL'] || 'info' };
}

/**
 * The same for a service of the fleet that works with its stores, which are required.
 * @throws InvalidInput as {@link readConfig}
 */
export function readFleetConfig(env: Environment, checks: ConfigChecks = {}): FleetConfig {
  const { config, problems } = parse(logging(env), checks);
  if (!env['ARGOSY_DATABASE_URL']) problems.push(required('ARGOSY_DATABASE_URL', 'Postgres', databaseExample));
  if (!env['ARGOSY_REDIS_URL']) problems.push(required('ARGOSY_REDIS_URL', 'Redis', redisExample));
  const { ARGOSY_DATABASE_URL, ARGOSY_REDIS_URL } = config ?? {};
  if (problems.length > 0 || !config || !ARGOSY_DATABASE_URL || !ARGOSY_REDIS_URL) throw new InvalidInput(problems);
  return { ...config, ARGOSY_DATABASE_URL, ARGOSY_REDIS_URL };
}

function required(path: string, store: string, example: string): Problem {
  return { path, message: `is required: where this fleet's ${store} is, such as ${example}` };
}

function parse(given: Environment, checks: ConfigChecks): { config: Config | null; problems: Problem[] } {
  const { env, problems: misnamed, nameOf } = withStandardNames(given);
  const ours = Object.entries(env).filter(([name]) => name.startsWith('ARGOSY_') && !others.has(name));
  const problems: Problem[] = ours
    .filter(([name]) => !(name in schema.shape))
    .map(([path]) => ({ path, message: `no such setting; known: ${Object.keys(schema.shape).join(', ')}` }));
  problems.push(...misnamed);
  const parsed = schema.safeParse(Object.fromEntries(ours.filter(([, value]) => value !== '')));
  if (!parsed.success) {
    problems.push(...parsed.error.issues.map(({ path, message }) => ({ path: nameOf(path.join('.')), message })));
  }
  for (const [path, check] of Object.entries(checks)) {
    const text = env[path];
    if (text) problems.push(...problemsOf(text, check).map(({ message }) => ({ path, message })));
  }
  return { config: parsed.success ? parsed.data : null, problems };
}

function problemsOf(text: string, check: (text: string) => unknown): readonly Problem[] {
  try {
    check(text);
    return [];
  } catch (error) {
    if (error instanceof InvalidInput) return error.problems;
    throw error;
  }
}

/** What a person is shown instead of a value that is a secret or holds one. */
const masks: Readonly<Partial<Record<keyof Config, (value: string) => string>>> = {
  ARGOSY_MODEL_API_KEY: isSet,
  ARGOSY_BRAVE_API_KEY: isSet,
  ARGOSY_TAVILY_API_KEY: isSet,
  ARGOSY_SERPER_API_KEY: isSet,
  ARGOSY_EXA_API_KEY: isSet,
  ARGOSY_OPENALEX_API_KEY: isSet,
  ARGOSY_INFERENCE_SERVER: hostOf,
  ARGOSY_INFERENCE_SERVER_API_KEY: isSet,
  ARGOSY_KEY_PEPPER: isSet,
  ARGOSY_SECRETS_KEY: isSet,
  ARGOSY_OIDC_CLIENT_SECRET: isSet,
  ARGOSY_OTLP_URL: hostOf,
  ARGOSY_OTLP_HEADERS: isSet,
  ARGOSY_S3_ENDPOINT: hostOf,
  ARGOSY_S3_ACCESS_KEY_ID: isSet,
  ARGOSY_S3_SECRET_ACCESS_KEY: isSet,
  ARGOSY_DATABASE_URL: hostOf,
  ARGOSY_REDIS_URL: hostOf,
};

function isSet(): string {
  return '(set)';
}

function hostOf(url: string): string {
  return URL.parse(url)?.host || '(set)';
}

/** The configuration for a person to read, secrets masked. */
export function describeConfig(config: Config): Record<string, string> {
  const shown = Object.keys(schema.shape).map((key) => {
    const name = key as keyof Config; // a key of the schema that Config is made of
    const value = config[name];
    if (value === undefined) return [name, '(not set)'];
    return [name, masks[name]?.(String(value)) ?? String(value)];
  });
  return Object.fromEntries(shown);
}
