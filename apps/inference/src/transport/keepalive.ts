import type { ChannelOptions } from '@grpc/grpc-js';

/** How a peer that vanished without a word is found out: it is asked after so much silence and has so long to answer. */
export interface Keepalive {
  readonly everyMs: number;
  readonly limitMs: number;
}

export function keepaliveOptions({ everyMs, limitMs }: Keepalive): ChannelOptions {
  return { 'grpc.keepalive_time_ms': everyMs, 'grpc.keepalive_timeout_ms': limitMs };
}
