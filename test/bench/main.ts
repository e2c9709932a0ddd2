import { writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { InvalidInput } from '#errors';
import { adapter } from './adapter.ts';
import { autoscaling } from './autoscaling.ts';
import { firstLight } from './first-light.ts';
import { fleet } from './fleet.ts';
import { gateway } from './gateway.ts';
import { loop } from './loop.ts';
import { moe } from './moe.ts';
import type { Benchmark } from './result.ts';
import { routing } from './routing.ts';
import { serving } from './serving.ts';
import { telemetry } from './telemetry.ts';
import { web } from './web.ts';

/** Every benchmark, by the name it is called with. */
const benchmarks: Readonly<Record<string, Benchmark>> = {
  autoscaling,
  adapter,
  // The browser's driver is among the packages of the console, which no other benchmark needs.
  console: async (...given) => (await import('./console.ts')).consoleBench(...given),
  'first-light': firstLight,
  fleet,
  gateway,
  loop,
  moe,
  routing,
  serving,
  telemetry,
  web,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, trace: { type: 'string' }, plots: { type: 'string' } },
});
const [name = ''] = positionals;
const benchmark = Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined;
if (benchmark === undefined) {
  console.error(
    `usage: npm run bench -- NAME [--json FILE]\n       npm run bench -- autoscaling [--trace CSV] [--plots DIR]\nnames: ${Object.keys(benchmarks).join(', ')}`,
  );
  process.exit(2);
}
const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
};
const at = new Date().toISOString();
const measured = await benchmark((line) => console.error(line), values).catch((error: unknown) => {
  if (!(error instanceof InvalidInput)) throw error;
  console.error(error.message);
  process.exit(2);
});
const result = { name, at, machine, ...measured };
const json = `${JSON.stringify(result, null, 2)}\n`;
if (values.json !== undefined) await writeFile(values.json, json);
process.stdout.write(json);
