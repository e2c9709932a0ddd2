import { describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { describeConfig, readConfig } from './config.ts';

const receiver = 'http://collector:4318';

function faultsOf(env: Record<string, string>): readonly { path: string; message: string }[] {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof InvalidInput) return error.problems;
    throw error;
  }
  return [];
}

describe("settings under OpenTelemetry's own names", () => {
  it('are taken where ours say nothing, and ours win', () => {
    const standard = {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver,
      OTEL_EXPORTER_OTLP_HEADERS: 'X-Key=a%20b, other=1=2',
      OTEL_TRACES_SAMPLER_ARG: '0.5',
    };
    const taken = readConfig(standard);
    expect(taken).toMatchObject({ ARGOSY_OTLP_URL: receiver, ARGOSY_TRACE_RATIO: 0.5 });
    expect(taken.ARGOSY_OTLP_HEADERS).toEqual({ 'x-key': 'a b', other: '1=2' });
    expect(readConfig({ ...standard, ARGOSY_OTLP_URL: 'http://ours:1' }).ARGOSY_OTLP_URL).toBe('http://ours:1');
    expect(readConfig({}).ARGOSY_OTLP_URL).toBeUndefined();
  });

  it('that switch the SDK off switch it off, whoever named a receiver', () => {
    const env = { ARGOSY_OTLP_URL: receiver, OTEL_SDK_DISABLED: 'true' };
    expect(readConfig(env).ARGOSY_OTLP_URL).toBeUndefined();
  });

  it.each([
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317' }, 'OTEL_EXPORTER_OTLP_ENDPOINT', /is not an address like/],
    [{ ARGOSY_OTLP_URL: 'grpc://secret@collector' }, 'ARGOSY_OTLP_URL', /is not an address like/],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4317', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
      'OTEL_EXPORTER_OTLP_PROTOCOL',
      /http\/protobuf.*4318/,
    ],
    [{ ARGOSY_OTLP_HEADERS: 'secret' }, 'ARGOSY_OTLP_HEADERS', /name=value/],
    [{ ARGOSY_OTLP_HEADERS: 'authorization=secret\r\nx: y' }, 'ARGOSY_OTLP_HEADERS', /name=value/],
    [{ ARGOSY_TRACE_RATIO: '1.1' }, 'ARGOSY_TRACE_RATIO', /./],
    [{ OTEL_TRACES_SAMPLER_ARG: 'often' }, 'OTEL_TRACES_SAMPLER_ARG', /./],
  ])('are refused by the name that was set, and repeat no secret: %j', (env, path, message) => {
    const faults = faultsOf(env as unknown as Record<string, string>);
    expect(faults.map((fault) => fault.path)).toEqual([path]);
    expect(faults[0]?.message).toMatch(message);
    expect(JSON.stringify(faults)).not.toContain('secret');
  });

  it('are shown masked', () => {
    const shown = describeConfig(readConfig({ ARGOSY_OTLP_URL: receiver, ARGOSY_OTLP_HEADERS: 'a=secret' }));
    expect(shown).toMatchObject({ ARGOSY_OTLP_URL: 'collector:4318', ARGOSY_OTLP_HEADERS: '(set)' });
  });
});
