import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Cost } from '#domain';
import { Aborted } from '#errors';
import { ModelBusy, ModelFault } from '#model';
import { metricsText, startMetrics } from '#platform';
import { parsePrometheus, reading } from '../../../test/support/prometheus.ts';
import { measured, StepMeter } from './instruments.ts';

const read = async (name: string, labels: Readonly<Record<string, string>> = {}) =>
  reading(parsePrometheus(await metricsText()), name, labels);

const costOf = (usd: number, feesUsd = 0): Cost => ({
  ...{ promptTokens: 0, cachedTokens: 0, completionTokens: 0, nanoUsd: usd * 1e9, feesNanoUsd: feesUsd * 1e9 },
  gpuMs: 500,
});

describe('what an agent worker says in the metrics', () => {
  beforeAll(async () => await startMetrics('test'));

  it('is each committed step by its kind, and what it cost', async () => {
    const meter = new StepMeter('small');
    meter.begin('ask-model');
    meter.committed(costOf(0.25));
    meter.begin('call-tools');
    meter.committed(costOf(0.05, 0.05));
    meter.begin('ask-model');
    meter.committed(costOf(0.25));
    meter.begin('check');
    meter.committed(undefined);
    expect(await read('argosy_step_duration_seconds_count', { kind: 'ask-model' })).toBe(2);
    expect(await read('argosy_step_duration_seconds_count', { kind: 'call-tools' })).toBe(1);
    expect(await read('argosy_spent_usd_total', { model: 'small', of: 'tokens' })).toBeCloseTo(0.5);
    expect(await read('argosy_spent_usd_total', { model: 'small', of: 'fees' })).toBeCloseTo(0.05);
    expect(await read('argosy_gpu_seconds_total', { model: 'small' })).toBeCloseTo(1.5);
  });

  it('is no step that never was committed, and none that an earlier owner took', async () => {
    const count = async () => await read('argosy_step_duration_seconds_count');
    const before = await count();
    new StepMeter('small').begin('check');
    new StepMeter('small').committed(costOf(3));
    expect(await count()).toBe(before);
    expect(await read('argosy_spent_usd_total', { model: 'small' })).toBeCloseTo(0.55);
  });

  it.each([
    ['busy', new ModelBusy('Full.', 1_000)],
    ['quota', new ModelFault('quota', 'Used up.')],
    ['stopped', new Aborted('Enough.')],
    ['failed', new Error('a bug')],
  ])('is a model call that ended as %s', async (outcome, error) => {
    await expect(measured('small', async () => await Promise.reject(error))).rejects.toBe(error);
    expect(await read('argosy_model_call_duration_seconds_count', { model: 'small', outcome })).toBe(1);
  });
});
