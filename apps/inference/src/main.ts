import { InvalidInput } from '#errors';
import { serveAlone } from '#platform';
import { startCoordinator } from './coordinator.ts';
import { withArguments } from './options.ts';
import { startShard } from './shard-role.ts';

try {
  const env = withArguments(process.argv.slice(2), process.env);
  const { pid, stderr } = process;
  await serveAlone(
    'inference',
    { env, pid, stderr, on: (event, listener) => process.on(event, listener), exit: (code) => process.exit(code) },
    (around) => (around.config.ARGOSY_INFERENCE_ROLE === 'shard' ? startShard(around) : startCoordinator(around)),
  );
} catch (error) {
  if (!(error instanceof InvalidInput)) throw error;
  process.stderr.write(`inference: ${error.message}\n`);
  process.exitCode = 2;
}
