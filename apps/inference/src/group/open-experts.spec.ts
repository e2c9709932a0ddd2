import { afterEach, expect, it } from '@jest/globals';
import { plainBackend } from '#moe';
import { readConfig } from '#platform';
import { layerInput, never, useTinyModel } from '../../../../test/support/expert-group.ts';
import { openExperts } from './open-experts.ts';

const model = useTinyModel();
const closing: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of closing.splice(0).reverse()) await one.close();
});

it("has a coordinator's experts on as many shards in its own process as are asked for, to the same bits", async () => {
  const config = readConfig({
    ARGOSY_INFERENCE_CHECKPOINT: model.folder(),
    ARGOSY_INFERENCE_SHARDS: 'local/3',
    ARGOSY_INFERENCE_COMBINE: 'deterministic',
    ARGOSY_INFERENCE_WIRE: 'f32',
  });
  const keep = <T extends { close(): Promise<void> }>(one: T): T => {
    closing.push(one);
    return one;
  };
  const surroundings = { config, logger: { log: () => undefined }, keep };
  const { experts, group } = await openExperts(model.checkpoint(), plainBackend(), surroundings);
  expect(group?.expertParallelSize).toBe(3);
  const { x, routing } = layerInput(12, 5);
  expect(await experts.apply(1, x, routing, never)).toEqual(await model.plain().apply(1, x, routing, never));
});
