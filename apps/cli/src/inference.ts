import { InvalidInput } from '#errors';
import { exitCodes } from './research.ts';
import { parseFlags } from './research-options.ts';

/** GB of an A100 or H100, the devices that such models are served on. */
const usualDeviceGb = 80;

/**
 * `argosy inference inspect FOLDER`: what a checkpoint is and where it fits.
 * @returns the exit code. @throws InvalidInput for a bad command line or a checkpoint that cannot be opened
 */
export async function inference(args: readonly string[], print: (text: string) => void): Promise<number> {
  const [action, ...rest] = args;
  const flags = { 'device-gb': { type: 'string' }, context: { type: 'string' } } as const;
  const { values, positionals } = parseFlags(rest, flags);
  const [folder, ...more] = positionals;
  if (action !== 'inspect' || folder === undefined || more.length > 0) {
    const message = 'say inspect and the folder of a model: argosy inference inspect ./Qwen3-30B-A3B';
    throw new InvalidInput([{ path: 'inference', message }]);
  }
  const { inspectCheckpoint } = await import('#inference');
  const contextTokens = values.context === undefined ? null : Math.floor(positive('--context', values.context));
  const deviceBytes = 1e9 * positive('--device-gb', values['device-gb'] ?? String(usualDeviceGb));
  const { text, usable } = await inspectCheckpoint(folder, { deviceBytes, contextTokens });
  print(text);
  return usable ? exitCodes.ok : exitCodes.usage;
}

function positive(path: string, text: string): number {
  const number = Number(text);
  if (number >= 1 && number <= 1e9) return number;
  throw new InvalidInput([{ path, message: `is ${JSON.stringify(text)}; it must be a number from 1 to 1e9` }]);
}
