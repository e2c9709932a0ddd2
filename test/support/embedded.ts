/** Folders and stores that live as long as the tests of one spec file. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import { DataDirectory, openEmbedded, type RunsSettings } from '#runs';

/** A new empty folder, removed after the tests of the block that calls this. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'argosy-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Puts a new PGlite cluster where a data directory has its own: a copy, because making one takes seconds. */
export function placeEmptyCluster(folder: string): void {
  const made = process.env['INTEGRATION_EMPTY_CLUSTER'];
  if (made === undefined) throw new Error('The empty cluster is made before the integration tests.');
  cpSync(made, join(folder, 'postgres'), { recursive: true });
}

interface Closable {
  close(): Promise<void>;
}

/**
 * Opens a store in a folder of its own, with an empty PGlite cluster under `postgres`, before the tests of a file and
 * closes it after them. Tests keep apart by tenant. @returns gives the store inside tests and hooks
 */
export function useStore<S extends Closable>(open: (folder: string) => Promise<S>): () => S {
  const folder = temporaryFolder();
  let store: S | null = null;
  beforeAll(async () => {
    placeEmptyCluster(folder);
    store = await open(folder);
  });
  afterAll(async () => {
    await store?.close();
  });
  return () => {
    if (store === null) throw new Error('The store is open only inside tests and hooks.');
    return store;
  };
}

/** Opens the stores of an embedded process on a folder, for {@link useStore}. */
export function runsOn(settings: RunsSettings) {
  return async (folder: string) => {
    const directory = DataDirectory.hold(folder);
    const { runs, close } = await openEmbedded(directory, settings);
    return {
      runs,
      close: async () => {
        await close();
        await directory.release();
      },
    };
  };
}
