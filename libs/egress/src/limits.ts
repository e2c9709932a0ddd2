/** Bounds of one fetch. Each holds for every response, public or allow-listed. */
export interface EgressLimits {
  /** For the DNS answer, and again for TCP plus TLS over all dialled addresses. */
  readonly connectMs: number;
  /** From the sent request to the complete response header, per redirect hop. */
  readonly headersMs: number;
  /** Whole fetch: all hops and the body. */
  readonly totalMs: number;
  /** Least mean rate of body bytes on the wire within any `throughputWindowMs`. */
  readonly minBytesPerSecond: number;
  readonly throughputWindowMs: number;
  /** Response header bytes per hop. */
  readonly headerBytes: number;
  /** Body bytes on the wire. */
  readonly compressedBytes: number;
  /** Body bytes after each layer of content-encoding. */
  readonly inflatedBytes: number;
  /** Inflated over compressed bytes; looked at once a body has outgrown {@link RATIO_FLOOR_BYTES}. */
  readonly ratio: number;
  readonly redirects: number;
}

/** A short repetitive page may compress better than any honest long one and harms nobody. */
export const RATIO_FLOOR_BYTES = 64 * 1024;

export const DEFAULT_LIMITS: EgressLimits = {
  connectMs: 5_000,
  headersMs: 10_000,
  totalMs: 30_000,
  minBytesPerSecond: 256,
  throughputWindowMs: 5_000,
  headerBytes: 32 * 1024,
  compressedBytes: 10 * 1024 * 1024,
  inflatedBytes: 30 * 1024 * 1024,
  ratio: 100,
  redirects: 5,
};

/** Bounds of a {@link EgressProxy} and of each exchange over it: a tunnel, or a request and its response. */
export interface ProxyLimits {
  /** For the DNS answer, and again for TCP over all dialled addresses. */
  readonly connectMs: number;
  /** For a request header of a client, and for a response header of a server. */
  readonly headersMs: number;
  /** Longest time without a byte in either direction. */
  readonly idleMs: number;
  /** Longest life of one exchange. */
  readonly exchangeMs: number;
  /** Header bytes of a request or a response. */
  readonly headerBytes: number;
  /** Bytes of both directions of one exchange. */
  readonly exchangeBytes: number;
  /** Connections of clients at the same time; more are closed unanswered. */
  readonly connections: number;
}

export const DEFAULT_PROXY_LIMITS: ProxyLimits = {
  connectMs: 5_000,
  headersMs: 10_000,
  idleMs: 30_000,
  exchangeMs: 600_000,
  headerBytes: 32 * 1024,
  exchangeBytes: 256 * 1024 * 1024,
  connections: 512,
};
