import { type ComputeBackend, threadBackend } from '#moe';
import type { Config } from '#platform';

/**
 * The threads that a role computes with. When one dies the process ends with its reason, as after a crash: only another
 * process has new threads, and one that answers nothing must not pass for healthy.
 */
export function computeThreads({ ARGOSY_INFERENCE_THREADS: threads }: Config): ComputeBackend {
  const onDeath = (why: Error): never => {
    throw why;
  };
  return threadBackend({ threads, onDeath });
}
