import type { SecretResource } from '#contracts';
import { InvalidInput } from '#errors';
import type { Client } from './client.ts';
import { exitCodes, type Terminal } from './research.ts';
import { parseFlags } from './research-options.ts';

/** More than any secret has. */
const mostBytes = 64 * 1024;

/** The server whose secrets they are. */
interface Server {
  readonly client: Pick<Client, 'setSecret' | 'listSecrets' | 'deleteSecret'>;
  close(): Promise<void>;
}

/**
 * What a tenant has kept for it on the server at hand.
 * @param input where a secret is read from: as an argument others could see it, and the shell would remember it
 * @throws InvalidInput, Refused, Unavailable
 */
export async function secrets(
  args: readonly string[],
  server: () => Promise<Server>,
  input: AsyncIterable<Uint8Array | string>,
  { print, progress }: Terminal,
): Promise<number> {
  // `quiet` is heeded by whoever shows progress.
  const [action, name, ...more] = parseFlags(args, { quiet: { type: 'boolean' } }).positionals;
  const isList = action === 'list' && name === undefined;
  const names = name !== undefined && more.length === 0 && (action === 'set' || action === 'delete');
  if (!isList && !names) {
    // Whatever was given is not repeated: it may be the secret.
    const message = 'say set NAME (the secret comes from standard input), list or delete NAME';
    throw new InvalidInput([{ path: 'secrets', message }]);
  }
  const value = action === 'set' ? await secretFrom(input) : '';
  const { client, close } = await server();
  try {
    if (isList) for (const secret of await client.listSecrets()) print(`${lineOf(secret)}\n`);
    else if (action === 'set') print(`${lineOf(await client.setSecret(name ?? '', value))}\n`);
    else await client.deleteSecret(name ?? '').then(() => progress.note(`the secret ${name} is gone`));
    return exitCodes.ok;
  } finally {
    await close();
  }
}

/** All that comes, without the line break at its end. @throws InvalidInput */
async function secretFrom(input: AsyncIterable<Uint8Array | string>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of input) {
    chunks.push(Buffer.from(chunk));
    bytes += chunk.length;
    if (bytes > mostBytes)
      throw new InvalidInput([{ path: 'standard input', message: `has more than ${mostBytes} bytes` }]);
  }
  const text = Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
  if (text !== '') return text;
  const message = 'is empty: send the secret, such as argosy secrets set search.brave < key.txt';
  throw new InvalidInput([{ path: 'standard input', message }]);
}

function lineOf({ name, fingerprint, updated_at, last_used_at }: SecretResource): string {
  return `${name}  ${fingerprint}  set ${updated_at}  ${last_used_at === null ? 'never used' : `used ${last_used_at}`}`;
}
