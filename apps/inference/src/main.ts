import { InvalidInput } from '#errors';
import { type Config, type Running, type ServiceSurroundings, serveAlone } from '#platform';
import { startAdapter } from './adapter/adapter-role.ts';
import { startCoordinator } from './coordinator.ts';
import { withArguments } from './options.ts';
import { startShard } from './shard-role.ts';

async function start(around: ServiceSurroundings<Config>): Promise<Running> {
  switch (around.config.ARGOSY_INFERENCE_ROLE) {
    case 'shard':
      return await startShard(around);
    case 'adapter':
      return await startAdapter(around);
    case 'coordinator':
    case undefined:
      return await startCoordinator(around);
  }
}

try {
  const env = withArguments(process.argv.slice(2), process.env);
  const { pid, stderr } = process;
  await serveAlone(
    'inference',
    { env, pid, stderr, on: (event, listener) => process.on(event, listener), exit: (code) => process.exit(code) },
    start,
  );
} catch (error) {
  if (!(error instanceof InvalidInput)) throw error;
  process.stderr.write(`inference: ${error.message}\n`);
  process.exitCode = 2;
}
