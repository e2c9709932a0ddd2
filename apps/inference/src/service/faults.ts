import { ArgosyError } from '#errors';

/** A request_id that is in use. */
export class AlreadyRunning extends ArgosyError {
  override readonly name = 'AlreadyRunning';
  readonly code = 'already_running';
  readonly retryable = false;
  constructor(requestId: string) {
    super(`request_id: "${requestId}" is being generated; abort it first, or choose another id`);
  }
}

/** The process stops: what was generated is lost, another group can do it anew. */
export class GoingAway extends ArgosyError {
  override readonly name = 'GoingAway';
  readonly code = 'going_away';
  readonly retryable = true;
  readonly retryAfterMs = 1_000;
  constructor() {
    super('this group stops now: ask another group, or this one when it is back');
  }
}
