import { ArgosyError } from '#errors';

/** A reply came to a place where its constraint has more ways to go on than can be kept count of. */
export class ConstraintTooLarge extends ArgosyError {
  override readonly name = 'ConstraintTooLarge';
  readonly code = 'constraint_too_large';
  readonly retryable = false;
  constructor(why: string, options?: ErrorOptions) {
    super(`the constraint came to ${why}: ask for something simpler, patterns above all`, options);
  }
}

/** A reply came to a place where no token of the vocabulary can follow. */
export class NothingCanFollow extends ArgosyError {
  override readonly name = 'NothingCanFollow';
  readonly code = 'nothing_can_follow';
  readonly retryable = false;
  constructor() {
    super(
      "the constraint came to a place where no token can follow: it asks for bytes that the model's vocabulary cannot write, or for a stop string of the request",
    );
  }
}
