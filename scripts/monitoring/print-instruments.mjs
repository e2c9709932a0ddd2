/** Prints the definitions of all instruments as JSON. Run by Node with `--conditions=source`, for it reads the sources. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { instrumentDefinitions } from '../../libs/platform/src/instruments.ts';
import { inRoot } from '../setup/paths.mjs';

const isSource = /(?<!\.spec|\.contract)\.ts$/;

function modulesWithInstruments() {
  const files = ['apps', 'libs'].flatMap((folder) =>
    readdirSync(inRoot(folder), { recursive: true }).map((file) => inRoot(folder, file)),
  );
  return files.filter((file) => isSource.test(file) && readFileSync(file, 'utf8').includes('new Instruments('));
}

for (const file of modulesWithInstruments()) await import(pathToFileURL(path.resolve(file)).href);
process.stdout.write(JSON.stringify(instrumentDefinitions()));
