import { type Client, status } from '@grpc/grpc-js';
import type { expert } from '#contracts/rpc';
import { Aborted, ArgosyError, messageOf, NotFound, Unavailable } from '#errors';
import type { LayerExperts } from '#moe';
import { shardService } from '../transport/channel.ts';
import { codeOfCall } from '../transport/status.ts';
import { ExpertsDiffer, type LayerLoad, ShardLost } from './shard.ts';

/** What a shard can be told to do with its experts. */
export type Command = NonNullable<expert.LoadRequest['command']>;

/** Runs of neighbouring experts: `[first, end)`. */
function rangesOf(experts: readonly number[]): { first: number; end: number }[] {
  const ranges: { first: number; end: number }[] = [];
  for (const expert of experts) {
    const last = ranges.at(-1);
    if (last?.end === expert) last.end += 1;
    else ranges.push({ first: expert, end: expert + 1 });
  }
  return ranges;
}

export function loadCommands(layers: readonly LayerLoad[]): Command[] {
  return layers.flatMap(({ layer, experts, sha256 }) => {
    const hashes = new Map(experts.map((expert, at) => [expert, Buffer.from(sha256[at] ?? [])]));
    return rangesOf(experts).map(({ first, end }): Command => {
      const wanted = Array.from({ length: end - first }, (_, at) => hashes.get(first + at) ?? Buffer.alloc(0));
      return { $case: 'load', value: { layer, firstExpert: first, endExpert: end, sha256: wanted } };
    });
  });
}

export function unloadCommands(layers: readonly LayerExperts[]): Command[] {
  return layers.flatMap(({ layer, experts }) =>
    rangesOf(experts).map(
      ({ first, end }): Command => ({ $case: 'unload', value: { layer, firstExpert: first, endExpert: end } }),
    ),
  );
}

export interface CommandOptions {
  readonly shard: string;
  /** Longest time without a response. */
  readonly stallMs: number;
  readonly signal: AbortSignal;
}

/**
 * Has a shard perform commands one after another.
 * @throws ShardLost, ExpertsDiffer, NotFound (the checkpoint has no such expert), Unavailable (no memory), Aborted
 */
export async function commandShard(
  client: Client,
  commands: readonly Command[],
  options: CommandOptions,
): Promise<void> {
  const { path, requestSerialize, responseDeserialize } = shardService.load;
  const { shard, stallMs, signal } = options;
  if (signal.aborted) throw stopped(signal, shard);
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  const onAbort = (): void => call.cancel();
  signal.addEventListener('abort', onAbort, { once: true });
  const stalled = new Error(`it made no progress with a load for ${stallMs} ms`);
  const watch = setTimeout(() => call.destroy(stalled), stallMs);
  try {
    for (const [seq, command] of commands.entries()) call.write({ seq, command });
    call.end();
    let done = 0;
    for await (const response of call as AsyncIterable<expert.LoadResponse>) {
      watch.refresh();
      refuseMismatch(shard, commands[response.seq], response);
      if (response.done) done += 1;
    }
    if (done < commands.length) throw new ShardLost(shard, `it performed ${done} of ${commands.length} commands`);
  } catch (error) {
    throw signal.aborted ? stopped(signal, shard) : told(shard, error);
  } finally {
    clearTimeout(watch);
    signal.removeEventListener('abort', onAbort);
    call.cancel();
  }
}

function refuseMismatch(shard: string, command: Command | undefined, { mismatchedExperts }: expert.LoadResponse): void {
  if (mismatchedExperts.length === 0) return;
  throw new ExpertsDiffer(shard, command?.$case === 'load' ? command.value.layer : -1, mismatchedExperts);
}

function stopped(signal: AbortSignal, shard: string): Aborted {
  return new Aborted(`Loading experts of shard ${shard} was stopped`, { cause: signal.reason });
}

function told(shard: string, error: unknown): Error {
  if (error instanceof ArgosyError) return error;
  switch (codeOfCall(error)) {
    case status.NOT_FOUND:
      return new NotFound(`Shard ${shard}: ${messageOf(error)}`, { cause: error });
    case status.RESOURCE_EXHAUSTED:
    case status.INVALID_ARGUMENT:
      return new Unavailable(`Shard ${shard} refused a load: ${messageOf(error)}`, { cause: error });
    default:
      return new ShardLost(shard, messageOf(error), { cause: error });
  }
}
