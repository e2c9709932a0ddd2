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
