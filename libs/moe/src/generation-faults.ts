import { ArgosyError } from '#errors';

/** A prompt that leaves no room for a reply in the context. Repeating it changes nothing. */
export class PromptTooLong extends ArgosyError {
  override readonly name = 'PromptTooLong';
  readonly code = 'prompt_too_long';
  readonly retryable = false;
  readonly promptTokens: number;
  readonly contextTokens: number;
  constructor(promptTokens: number, contextTokens: number) {
    super(
      `the prompt has ${promptTokens} tokens and the context holds ${contextTokens}, the reply included: shorten it`,
    );
    this.promptTokens = promptTokens;
    this.contextTokens = contextTokens;
  }
}

/** More generations wait than this group lets wait. */
export class NoRoom extends ArgosyError {
  override readonly name = 'NoRoom';
  readonly code = 'no_room';
  readonly retryable = true;
  readonly retryAfterMs: number;
  constructor(waiting: number, retryAfterMs: number) {
    super(`${waiting} generations wait already: come again in ${retryAfterMs} ms, or ask another group`);
    this.retryAfterMs = retryAfterMs;
  }
}

/** The group ends: it goes on with the sessions that it has and takes no new one. */
export class Draining extends ArgosyError {
  override readonly name = 'Draining';
  readonly code = 'draining';
  readonly retryable = true;
  readonly retryAfterMs: number;
  constructor(retryAfterMs: number) {
    super('this group is draining and takes no new session: ask another group');
    this.retryAfterMs = retryAfterMs;
  }
}

/** What was reserved for the sessions of this group leaves no room for another one. */
export class SessionsFull extends ArgosyError {
  override readonly name = 'SessionsFull';
  readonly code = 'sessions_full';
  readonly retryable = true;
  readonly retryAfterMs: number;
  constructor(reservedTokens: number, wantedTokens: number, retryAfterMs: number) {
    super(
      `${reservedTokens} tokens are reserved for sessions, and a new one of ${wantedTokens} does not fit: come again in ${retryAfterMs} ms, or ask another group`,
    );
    this.retryAfterMs = retryAfterMs;
  }
}
