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
