/** Tokens of one model call. `promptTokens` includes `cachedTokens`. */
export interface ModelUsage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** Set when the server reported no usage and the counts are estimates. */
  readonly estimated?: true;
  /** Time of GPUs that it took, in ms; absent where the server does not say. */
  readonly gpuMs?: number;
}

/** Tokens of the model calls that read pages, and how many they were. */
export interface ReadingUsage extends ModelUsage {
  readonly calls: number;
}
