/** `npm run format`: writes what biome and buf would ask for. */
import { runChild } from '../setup/child.mjs';
import { inRoot, root } from '../setup/paths.mjs';

const tools = [
  ['biome', ['check', '--write', '.']],
  ['buf', ['format', '--write']],
];

for (const [name, args] of tools) {
  const { exitCode } = await runChild(inRoot('node_modules', '.bin', name), args, { cwd: root });
  process.exitCode ||= exitCode;
}
