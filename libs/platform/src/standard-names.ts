import type { Problem } from '#errors';

type Environment = Readonly<Record<string, string | undefined>>;

/** Names that OpenTelemetry gives to settings of ours; ours win where both are set. */
const standardNames = {
  ARGOSY_OTLP_URL: 'OTEL_EXPORTER_OTLP_ENDPOINT',
  ARGOSY_OTLP_HEADERS: 'OTEL_EXPORTER_OTLP_HEADERS',
  ARGOSY_TRACE_RATIO: 'OTEL_TRACES_SAMPLER_ARG',
} as const;

/** An environment in our own names. */
export interface Renamed {
  readonly env: Environment;
  readonly problems: readonly Problem[];
  /** The name that whoever set a value knows it by. */
  nameOf(setting: string): string;
}

/** Takes over what OpenTelemetry's own variables say, where ours say nothing. `OTEL_SDK_DISABLED=true` sends nothing. */
export function withStandardNames(env: Environment): Renamed {
  const taken = new Map<string, string>();
  const off = env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true';
  for (const [ours, standard] of Object.entries(standardNames)) {
    if (!off && !env[ours] && env[standard]) taken.set(ours, standard);
  }
  const more = Object.fromEntries([...taken].map(([ours, standard]) => [ours, env[standard]]));
  const protocol = env['OTEL_EXPORTER_OTLP_PROTOCOL'];
  const wrong = taken.has('ARGOSY_OTLP_URL') && protocol && protocol !== 'http/protobuf';
  const message = `is ${JSON.stringify(protocol)}; only "http/protobuf" is spoken here: name the receiver's HTTP port, usually 4318`;
  return {
    env: { ...env, ...more, ...(off ? { ARGOSY_OTLP_URL: '' } : {}) },
    problems: wrong ? [{ path: 'OTEL_EXPORTER_OTLP_PROTOCOL', message }] : [],
    nameOf: (setting) => taken.get(setting) ?? setting,
  };
}
