import { beforeAll, describe, expect, it } from '@jest/globals';
import { Aborted } from '#errors';
import { ModelBusy, ModelFault } from '#model';
import { metricsText, startMetrics } from '#platform';
import { parsePrometheus, reading } from '../../../test/support/prometheus.ts';
import { measured, StepMeter } from './instruments.ts';

const read = async (name: string, labels: Readonly<Record<string, string>> = {}) =>
  reading(parsePrometheus(await metricsText()), name, labels);

describe('what an agent worker says in the metrics', () => {
  beforeAll(async () => await startMetrics('test'));

  it('is each committed step by its kind, and what it cost', async () => {
    const meter = new StepMeter('small', 0.5);
    meter.begin('ask-model');
    meter.committed(0.75);
    meter.begin('call-tools');
    meter.committed(0.75);
    meter.begin('ask-model');
    meter.committed(1);
    expect(await read('argosy_step_duration_seconds_count', { kind: 'ask-model' })).toBe(2);
    expect(await read('argosy_step_duration_seconds_count', { kind: 'call-tools' })).toBe(1);
    expect(await read('argosy_spent_usd_total', { model: 'small' })).toBeCloseTo(0.5);
  });

  it('is no step that never was committed, and none that an earlier owner took', async () => {
    const count = async () => await read('argosy_step_duration_seconds_count');
    const before = await count();
    new StepMeter('small', 0).begin('check');
    new StepMeter('small', 0).committed(3);
    expect(await count()).toBe(before);
    expect(await read('argosy_spent_usd_total', { model: 'small' })).toBeCloseTo(0.5);
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
