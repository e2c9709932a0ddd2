import { InvalidInput } from '#errors';
import { exitCodes, type Terminal } from './research.ts';
import { parseFlags } from './research-options.ts';

/** GB of an A100 or H100, the devices that such models are served on. */
const usualDeviceGb = 80;

type Side = Pick<Terminal, 'print' | 'interrupted'>;
type Action = (args: readonly string[], side: Side) => Promise<number>;

const actions: Readonly<Record<string, Action>> = { inspect, plan, fetch: fetchTo, conform };

/**
 * `argosy inference ...`: what an operator of models does before and beside serving them.
 * @returns the exit code. @throws InvalidInput for a bad command line, or what it names cannot be used
 */
export async function inference([action = '', ...rest]: readonly string[], side: Side): Promise<number> {
  const named = Object.hasOwn(actions, action) ? actions[action] : undefined;
  if (named !== undefined) return await named(rest, side);
  const known = [...Object.keys(actions), 'groups'].join(', ');
  throw new InvalidInput([{ path: 'inference', message: `"${action}" is no command of it; known: ${known}` }]);
}

/** What a checkpoint is and where it fits. */
async function inspect(args: readonly string[], { print }: Side): Promise<number> {
  const flags = { 'device-gb': { type: 'string' }, context: { type: 'string' } } as const;
  const { values, positionals } = parseFlags(args, flags);
  const folder = only(positionals, 'the folder of a model: argosy inference inspect ./Qwen3-30B-A3B');
  const { inspectCheckpoint } = await import('#inference');
  const contextTokens = values.context === undefined ? null : Math.floor(positive('--context', values.context));
  const deviceBytes = 1e9 * positive('--device-gb', values['device-gb'] ?? String(usualDeviceGb));
  const { text, usable } = await inspectCheckpoint(folder, { deviceBytes, contextTokens });
  print(text);
  return usable ? exitCodes.ok : exitCodes.usage;
}

/** Whether a model fits a group of devices, how many agents it carries, and what starts it. */
async function plan(args: readonly string[], { print }: Side): Promise<number> {
  const string = { type: 'string' } as const;
  const flags = {
    gpus: string,
    model: string,
    context: string,
    'session-tokens': string,
    json: { type: 'boolean' },
  } as const;
  const { values, positionals } = parseFlags(args, flags);
  const { gpus, model } = values;
  if (gpus === undefined || model === undefined || positionals.length > 0) {
    const message = 'name the devices and the model: argosy inference plan --gpus 2xA100-80 --model ./Qwen3-30B-A3B';
    throw new InvalidInput([{ path: 'inference', message }]);
  }
  const { planModel } = await import('#inference');
  const whole = (flag: '--context' | '--session-tokens', text: string | undefined) =>
    text === undefined ? null : Math.floor(positive(flag, text));
  const contextTokens = whole('--context', values.context);
  const sessionTokens = whole('--session-tokens', values['session-tokens']);
  const made = await planModel({ gpus, model, contextTokens, sessionTokens });
  print(values.json === true ? `${JSON.stringify(made.plan, null, 2)}\n` : made.text);
  return exitCodes.ok;
}

/** A checkpoint onto a volume, once for all that share it. */
async function fetchTo(args: readonly string[], { print, interrupted: signal }: Side): Promise<number> {
  const string = { type: 'string' } as const;
  const flags = { from: string, to: string, sha256s: string, rehash: { type: 'boolean' } } as const;
  const { values, positionals } = parseFlags(args, flags);
  const { from, to, sha256s = null, rehash = false } = values;
  if (from === undefined || to === undefined || positionals.length > 0) {
    const message = 'name whence and whither: argosy inference fetch --from https://host/models/name --to /models/name';
    throw new InvalidInput([{ path: 'inference', message }]);
  }
  const { fetchWeights } = await import('#inference');
  const { files } = await fetchWeights({ from, to, sha256s, rehash }, { say: (line) => print(`${line}\n`), signal });
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  print(`${to} holds ${files.length} files, ${(bytes / 1e9).toFixed(2)} GB\n`);
  return exitCodes.ok;
}

/** Whether a group keeps to the contract. */
async function conform(args: readonly string[], { print }: Side): Promise<number> {
  const { values, positionals } = parseFlags(args, { drain: { type: 'boolean' } } as const);
  const named = only(positionals, 'the address of a group: argosy inference conform grpc:127.0.0.1:50051');
  const { conform: check } = await import('#inference');
  const verdicts = await check(named.replace(/^grpc:/, ''), { disturbs: values.drain === true }, (verdict) => {
    print(
      `${verdict.result.padEnd(12)}  ${verdict.name}${verdict.why === '' ? '' : `\n${' '.repeat(14)}${verdict.why}`}\n`,
    );
  });
  const failed = verdicts.filter(({ result }) => result === 'failed').length;
  print(`${verdicts.filter(({ result }) => result === 'passed').length} passed, ${failed} failed\n`);
  return failed === 0 ? exitCodes.ok : exitCodes.failed;
}

/** @param what for messages, with an example */
function only(positionals: readonly string[], what: string): string {
  const [one, ...more] = positionals;
  if (one !== undefined && more.length === 0) return one;
  throw new InvalidInput([{ path: 'inference', message: `name ${what}` }]);
}

function positive(path: string, text: string): number {
  const number = Number(text);
  if (number >= 1 && number <= 1e9) return number;
  throw new InvalidInput([{ path, message: `is ${JSON.stringify(text)}; it must be a number from 1 to 1e9` }]);
}
