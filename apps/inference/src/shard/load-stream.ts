import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { expert } from '#contracts/rpc';
import { Aborted, InvalidInput } from '#errors';
import { statusOf } from '../transport/status.ts';
import type { ResidentExperts } from './resident-experts.ts';

type Stream = ServerDuplexStream<expert.LoadRequest, expert.LoadResponse>;
type Answer = (more: Partial<expert.LoadResponse>) => void;

/** Performs a coordinator's commands one after another; the first fault ends the stream with its status. */
export async function answerLoads(call: Stream, experts: ResidentExperts): Promise<void> {
  // Without a listener of ours, a status that is sent would pass for an error that nobody handles.
  call.on('error', () => undefined);
  try {
    // Left early, the iterator would take the call with it, and the status would not get through.
    const requests: AsyncIterable<expert.LoadRequest> = call.iterator({ destroyOnReturn: false });
    for await (const request of requests) {
      await perform(request, experts, (more) => {
        // Nobody waits for the rest of the command, and a successor may free what it has loaded.
        if (call.cancelled) throw new Aborted('The coordinator has broken the load off');
        const response = { seq: request.seq, readyExperts: 0, mismatchedExperts: [], done: false, ...more };
        call.write({ ...response, residentBytes: experts.bytes });
      });
    }
    call.end();
  } catch (error) {
    // The coordinator may be gone: then there is nobody to tell.
    if (!call.cancelled) call.emit('error', statusOf(error));
  }
}

async function perform({ command }: expert.LoadRequest, experts: ResidentExperts, answer: Answer): Promise<void> {
  switch (command?.$case) {
    case 'load':
      await load(command.value, experts, answer);
      return;
    case 'unload':
      for (const expert of rangeOf(command.value, experts)) await experts.unload(command.value.layer, expert);
      answer({ done: true });
      return;
    case 'publish':
      experts.publish(command.value.planEpoch);
      answer({ done: true });
      return;
    case undefined:
      throw new InvalidInput([{ path: 'command', message: 'is none of load, unload, publish' }]);
  }
}

async function load(command: expert.LoadExperts, experts: ResidentExperts, answer: Answer): Promise<void> {
  const range = rangeOf(command, experts);
  if (command.sha256.length !== range.length) {
    const message = `are ${command.sha256.length} for ${range.length} experts`;
    throw new InvalidInput([{ path: 'load.sha256', message }]);
  }
  const mismatchedExperts: number[] = [];
  for (const [at, expert] of range.entries()) {
    const same = await experts.load(command.layer, expert, command.sha256[at] ?? new Uint8Array());
    if (!same) mismatchedExperts.push(expert);
    const readyExperts = at + 1 - mismatchedExperts.length;
    // After each, so that a long load is seen to go on.
    if (at + 1 < range.length) answer({ readyExperts, mismatchedExperts });
  }
  answer({ readyExperts: range.length - mismatchedExperts.length, mismatchedExperts, done: true });
}

function rangeOf({ firstExpert, endExpert }: expert.UnloadExperts, { config }: ResidentExperts): number[] {
  if (firstExpert >= endExpert || endExpert > config.experts) {
    const message = `${firstExpert} to ${endExpert} is no range of the ${config.experts} experts`;
    throw new InvalidInput([{ path: 'end_expert', message }]);
  }
  return Array.from({ length: endExpert - firstExpert }, (_, at) => firstExpert + at);
}
