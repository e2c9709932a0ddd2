import type { ChannelOptions, ServiceDefinition } from '@grpc/grpc-js';
import { expert } from '#contracts/rpc';
import { type Keepalive, keepaliveOptions } from './keepalive.ts';

/** The longest message either way; a coordinator cuts a layer's tokens into blocks that stay far below. */
const maxMessageBytes = 80 * 2 ** 20;

/** A peer that vanished without a word is found out within 15 s even where nothing is asked of it. */
export const shardKeepalive: Keepalive = { everyMs: 10_000, limitMs: 5_000 };

/** Of both ends. */
export const channelOptions: ChannelOptions = {
  'grpc.max_receive_message_length': maxMessageBytes,
  'grpc.max_send_message_length': maxMessageBytes,
  ...keepaliveOptions(shardKeepalive),
  // What was asked is asked anew by the group itself, and by nobody who keeps copies of it for that.
  'grpc.enable_retries': 0,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // A shard is named by its operator and near: never by way of a proxy that the environment names for the web.
  'grpc.enable_http_proxy': 0,
};

const asItIs = (bytes: Buffer): Buffer => bytes;

/** The service with activations passed as bytes: `forward-message.ts` reads and writes them. */
export const shardService = {
  ...expert.ExpertShardServiceService,
  forward: {
    ...expert.ExpertShardServiceService.forward,
    requestSerialize: asItIs,
    requestDeserialize: asItIs,
    responseSerialize: asItIs,
    responseDeserialize: asItIs,
  },
} satisfies ServiceDefinition;
