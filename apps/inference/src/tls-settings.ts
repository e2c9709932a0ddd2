import type { Config } from '#platform';
import type { TlsFiles } from './transport/tls.ts';

/** The identity that a role serves with, and whom it serves. */
export function tlsOf(config: Config): TlsFiles {
  return {
    cert: config.ARGOSY_INFERENCE_TLS_CERT_FILE,
    key: config.ARGOSY_INFERENCE_TLS_KEY_FILE,
    ca: config.ARGOSY_INFERENCE_TLS_CA_FILE,
  };
}

/** Whom a coordinator takes for its shards, and the identity that it shows them. */
export function shardTlsOf(config: Config): TlsFiles {
  return {
    cert: config.ARGOSY_INFERENCE_SHARD_CERT_FILE,
    key: config.ARGOSY_INFERENCE_SHARD_KEY_FILE,
    ca: config.ARGOSY_INFERENCE_SHARD_CA_FILE,
  };
}
