import { inSpan, spanKeys } from '#platform';
import type { Shard, ShardCall } from './shard.ts';

/** Layers of a traced step that tell what each shard did: all of them would be hundreds of spans. */
const tracedLayers = 4;

/** @param index of a layer among those that have experts @param layers how many these are */
export function tellsShards(index: number, layers: number): boolean {
  return index % Math.ceil(layers / tracedLayers) === 0;
}

/** Asks a shard, in a span where this is traced. */
export async function askShard(
  shard: Shard,
  call: ShardCall,
  { isTraced, signal }: { readonly isTraced: boolean; readonly signal: AbortSignal },
): Promise<Float32Array> {
  if (!isTraced) return await shard.forward(call, signal);
  const { slice, layer } = call;
  const fields = {
    [spanKeys.shard]: shard.name,
    [spanKeys.layer]: layer,
    [spanKeys.rows]: slice.rows.length,
    [spanKeys.experts]: slice.experts.length,
  };
  return await inSpan('ask shard', { kind: 'client', fields }, async ({ traceparent }) => {
    return await shard.forward(traceparent === undefined ? call : { ...call, traceparent }, signal);
  });
}
