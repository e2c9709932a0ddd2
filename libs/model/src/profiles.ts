import { openAiTools } from './openai-tools.ts';
import type { Profile, ProfileId } from './profile.ts';
import { tongyiV1 } from './tongyi.ts';

/** Every wire protocol that this version speaks. */
export const profiles: Readonly<Record<ProfileId, Profile>> = {
  'tongyi-v1': tongyiV1,
  'openai-tools-v1': openAiTools,
};
