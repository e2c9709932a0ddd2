import { ArgosyError } from '#errors';

/** What a refused client is told beside the words. */
export interface RefusalDetails {
  readonly status: 401 | 403 | 429 | 503;
  readonly code: string;
  /** Such as `retry-after`. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request that is turned away at the door: for who sends it, or how often. */
export class Refusal extends ArgosyError {
  override readonly name = 'Refusal';
  readonly code: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly retryable: boolean;
  constructor(message: string, { status, code, headers = {} }: RefusalDetails, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.status = status;
    this.headers = headers;
    this.retryable = status === 429 || status === 503;
  }
}
