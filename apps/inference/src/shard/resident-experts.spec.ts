import { expect, it } from '@jest/globals';
import { expertBytes, residentExperts, useTinyModel } from '../../../../test/support/expert-group.ts';

const model = useTinyModel();

it('loads an expert once that two streams ask for at a time', async () => {
  const resident = residentExperts(model.checkpoint());
  const sha256 = await model.checkpoint().expertSha256(0, 3);
  await Promise.all([resident.load(0, 3, sha256), resident.load(0, 3, sha256)]);
  expect(resident).toMatchObject({ count: 1, bytes: expertBytes });
  await resident.unload(0, 3);
  expect(resident).toMatchObject({ count: 0, bytes: 0 });
});

it('frees an expert that was being loaded when it was to go', async () => {
  const resident = residentExperts(model.checkpoint());
  const loading = resident.load(1, 0, await model.checkpoint().expertSha256(1, 0));
  await resident.unload(1, 0);
  expect(await loading).toBe(true);
  expect(resident).toMatchObject({ count: 0, bytes: 0 });
});

it.each(['deterministic', 'reduced'] as const)(
  'reads no row that no expert was given, and leaves nothing of its answer unwritten, %s',
  async (mode) => {
    const resident = residentExperts(model.checkpoint());
    for (const expert of [1, 3]) await resident.load(0, expert, await model.checkpoint().expertSha256(0, expert));
    resident.publish(1);
    const { hidden } = resident.config;
    const x = Float32Array.from({ length: 3 * hidden }, (_, at) => (at < 2 * hidden ? Math.sin(at) : Number.NaN));
    const call = { planEpoch: 1, layer: 0, mode, weights: Float32Array.of(0.25, 0.5, 0.75), x, rows: 3 };
    const routed = { offsets: Uint32Array.of(0, 1, 3), tokens: Uint32Array.of(1, 0, 1) };
    const y = await resident.run({ ...call, ...routed, experts: Uint32Array.of(1, 3) });
    expect(y).toHaveLength(3 * hidden);
    expect(y.every(Number.isFinite)).toBe(true);
    const written = Array.from({ length: 3 }, (_, row) => y.subarray(row * hidden, (row + 1) * hidden).some(Boolean));
    expect(written).toEqual(mode === 'deterministic' ? [true, true, true] : [true, true, false]);
  },
);
