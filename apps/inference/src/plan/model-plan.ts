/** What a plan says, as `--json` prints it. */
import type { Gpu } from './gpus.ts';
import type { GroupPlan } from './group-plan.ts';
import type { LaunchLines } from './launch.ts';

export interface PlannedGroup extends GroupPlan {
  /** Whether the weights fit. */
  readonly fits: boolean;
  /** Whether this is what was asked for. */
  readonly asked: boolean;
  readonly launch: LaunchLines | null;
}

export interface ModelPlan {
  readonly model: string;
  readonly parameters: number;
  readonly activeParameters: number;
  /** In bf16. */
  readonly weightBytes: number;
  /** As the index of the files says; null where there is none. */
  readonly storedBytes: number | null;
  readonly kvBytesPerToken: number;
  readonly contextTokens: number;
  readonly sessionTokens: number;
  readonly gpu: Gpu;
  readonly groups: readonly PlannedGroup[];
  /** Argosy's own engine, which computes on processors. */
  readonly own: { readonly bytesPerShard: number; readonly shards: number; readonly launch: readonly string[] };
}
