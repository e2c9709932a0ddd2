import { accessSync, constants } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { InvalidInput } from '#errors';

/** `off`, `auto` (the machine's Chromium where there is one), `workers` (other workers have one), or the path of its program. */
export type BrowserChoice = string;

/** Folders rather than PATH: what a service runs should not depend on who started it. */
const FOLDERS = ['/usr/bin', '/usr/local/bin', '/snap/bin', '/opt/google/chrome', '/opt/homebrew/bin'];
const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome'];
const MAC = [
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** Checks `ARGOSY_BROWSER`. @throws InvalidInput when it is neither a word that is known nor a program */
export function parseBrowser(text: string): BrowserChoice {
  if (text === 'off' || text === 'auto' || text === 'workers') return text;
  if (isAbsolute(text) && isProgram(text)) return text;
  const message = `"${text}" is no program; write off, auto, workers or the path of Chromium, such as /usr/bin/chromium`;
  throw new InvalidInput([{ path: 'ARGOSY_BROWSER', message }]);
}

/** The program to start; null when there is none or none is wanted. */
export function findChromium(choice: BrowserChoice): string | null {
  if (choice === 'off' || choice === 'workers') return null;
  if (choice !== 'auto') return choice;
  const places = [...PROGRAMS.flatMap((name) => FOLDERS.map((folder) => join(folder, name))), ...MAC];
  return places.find(isProgram) ?? null;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
