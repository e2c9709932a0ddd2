import { parseArgs } from 'node:util';
import { InvalidInput, messageOf } from '#errors';

type Environment = Readonly<Record<string, string | undefined>>;

/** Options of the command line and the settings that they stand for. */
const settings = {
  role: 'ARGOSY_INFERENCE_ROLE',
  checkpoint: 'ARGOSY_INFERENCE_CHECKPOINT',
  listen: 'ARGOSY_INFERENCE_LISTEN',
  name: 'ARGOSY_INFERENCE_NAME',
  shards: 'ARGOSY_INFERENCE_SHARDS',
  server: 'ARGOSY_INFERENCE_SERVER',
} as const;

/**
 * The environment with what the command line says in the place of its settings.
 * @throws InvalidInput for options that are not known
 */
export function withArguments(args: readonly string[], env: Environment): Environment {
  const options = { role: string, checkpoint: string, listen: string, name: string, shards: string, server: string };
  const given = parsed(() => parseArgs({ args: [...args], options, strict: true }).values);
  const changed = Object.entries(settings).flatMap(([option, setting]) => {
    const value = given[option as keyof typeof settings]; // a key of the same record
    return value === undefined ? [] : [[setting, value] as const];
  });
  return { ...env, ...Object.fromEntries(changed) };
}

const string = { type: 'string' } as const;

function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const known = Object.keys(settings).map((option) => `--${option} VALUE`);
    throw new InvalidInput([{ path: '', message: `${messageOf(error)}. Known: ${known.join(', ')}` }], {
      cause: error,
    });
  }
}
