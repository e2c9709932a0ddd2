import { InvalidInput } from '#errors';
import { Checkpoint } from '#moe';
import type { Config } from '#platform';

/** @throws InvalidInput when no checkpoint is named, or it cannot be used */
export async function openCheckpoint({ ARGOSY_INFERENCE_CHECKPOINT: folder }: Config): Promise<Checkpoint> {
  if (folder !== undefined) return await Checkpoint.open(folder);
  const message = 'is required: the folder of a model in the Hugging Face layout (or --checkpoint DIR)';
  throw new InvalidInput([{ path: 'ARGOSY_INFERENCE_CHECKPOINT', message }]);
}
