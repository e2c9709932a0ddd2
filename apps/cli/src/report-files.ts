import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { RunResource } from '#contracts';
import { renderMarkdown } from '#domain';
import { InvalidInput, messageOf } from '#errors';

type Report = NonNullable<RunResource['report']>;

/** Where a report went. */
export interface WrittenReport {
  readonly folder: string;
  readonly markdown: string;
}

/** Makes the folder of reports, so that one that cannot be written is known before the research and not after it. */
export async function prepareFolder(outDir: string): Promise<void> {
  await writable(outDir, async (path) => await mkdir(path, { recursive: true }));
}

/**
 * Writes `<out>/<run id>/` with report.md, report.json and the cited snapshots, and a copy of report.json to `jsonFile`.
 * @param snapshotOf gives the text behind a sha256
 * @throws InvalidInput when the folder cannot be written
 */
export async function writeReport(
  report: Report,
  target: { readonly outDir: string; readonly jsonFile: string | null },
  snapshotOf: (sha256: string) => Promise<string>,
): Promise<WrittenReport> {
  const folder = join(target.outDir, report.run_id);
  const markdown = renderMarkdown(report);
  const json = `${JSON.stringify(report, null, 2)}\n`;
  await writable(join(folder, 'snapshots'), async (path) => await mkdir(path, { recursive: true }));
  for (const { sha256 } of report.sources) {
    const text = await snapshotOf(sha256);
    await writable(join(folder, 'snapshots', `${sha256}.txt`), async (path) => await writeFile(path, text));
  }
  await writable(join(folder, 'report.md'), async (path) => await writeFile(path, markdown));
  await writable(join(folder, 'report.json'), async (path) => await writeFile(path, json));
  if (target.jsonFile !== null) {
    await writable(target.jsonFile, async (path) => {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, json);
    });
  }
  return { folder, markdown };
}

async function writable(path: string, write: (path: string) => Promise<unknown>): Promise<void> {
  try {
    await write(path);
  } catch (cause) {
    const message = `cannot be written (${messageOf(cause)}); name another place with --out or --json`;
    throw new InvalidInput([{ path, message }], { cause });
  }
}
