import { InvalidInput, messageOf } from '#errors';

/**
 * A server's address as it may be shown: without user, password and options.
 * @throws InvalidInput when it is no address of these protocols
 */
export function shownAddress(url: string, variable: string, protocols: readonly string[]): string {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed === null || !protocols.includes(parsed.protocol)) {
    const example = `${protocols[0]}//host:port`;
    throw new InvalidInput([{ path: variable, message: `is not an address like ${example}` }]);
  }
  return `${parsed.host}${parsed.pathname === '/' ? '' : parsed.pathname}`;
}

/** A name with several addresses fails with one error for each, and without a message of its own. */
export function wordsOf(error: unknown): string {
  const [first] = (error as { errors?: unknown[] }).errors ?? [];
  return messageOf(error) || messageOf(first);
}
