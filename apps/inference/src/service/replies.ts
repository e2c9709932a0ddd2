/** Events of a generation as messages of its stream. */
import { inference } from '#contracts/rpc';
import type { Delta, Finished, FinishReason, GenerationEvent } from '#moe';

const reasons = {
  stop: inference.FinishReason.FINISH_REASON_STOP,
  length: inference.FinishReason.FINISH_REASON_LENGTH,
  context: inference.FinishReason.FINISH_REASON_CONTEXT,
  aborted: inference.FinishReason.FINISH_REASON_ABORTED,
  deadline: inference.FinishReason.FINISH_REASON_DEADLINE,
} as const satisfies Record<FinishReason, inference.FinishReason>;

const channels = {
  reasoning: inference.Channel.CHANNEL_REASONING,
  content: inference.Channel.CHANNEL_CONTENT,
} as const satisfies Record<Delta['channel'], inference.Channel>;

/** @param gpus of the group; 0: of their time nothing is said */
export function responseOf(event: GenerationEvent, seq: number, gpus: number): inference.GenerateResponse {
  switch (event.kind) {
    case 'accepted': {
      const { queueMs, cachedTokens } = event;
      return { seq, event: { $case: 'accepted', value: { queueMs, cachedTokens } } };
    }
    case 'delta':
      return { seq, event: { $case: 'delta', value: deltaOf(event) } };
    case 'finished':
      return { seq, event: { $case: 'finished', value: finishedOf(event, gpus) } };
  }
}

function deltaOf({ text, tokenIds, channel, logprobs }: Delta): inference.Delta {
  return {
    text,
    tokenIds: [...tokenIds],
    channel: channels[channel],
    logprobs: logprobs.map(({ chosen, top }) => ({ chosen, top: [...top] })),
  };
}

function finishedOf({ reason, stop, ...took }: Finished, gpus: number): inference.Finished {
  const { promptTokens, cachedTokens, completionTokens, shareMs } = took;
  const gpuMs = gpus === 0 ? undefined : Math.round(shareMs * gpus);
  return { reason: reasons[reason], usage: { promptTokens, cachedTokens, completionTokens, gpuMs }, stop: stop ?? '' };
}
