import { ArgosyError } from '#errors';

/**
 * Why a secret cannot be opened: `no-key`, this process has none; `unknown-key`, none of those that it has; `damaged`, too
 * short or of a form that is not known; `not-its-own`, changed, or sealed for another tenant, name or version.
 */
export type UnreadableReason = 'no-key' | 'unknown-key' | 'damaged' | 'not-its-own';

/** A secret is there and cannot be opened. Nothing else is used in its place. */
export class SecretUnreadable extends ArgosyError {
  override readonly name = 'SecretUnreadable';
  readonly code = 'secret_unreadable';
  readonly retryable = false;
  readonly reason: UnreadableReason;
  constructor(reason: UnreadableReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
