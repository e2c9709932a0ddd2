/** The Chromium that tests render pages with. */
import { existsSync } from 'node:fs';
import { aptInstall, canInstall } from './apt.mjs';

/** Where Debian's packages and Google's put it; libs/tools looks in the same folders and in more. */
const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/snap/bin/chromium'];

/**
 * Sees to it that there is a Chromium: as root on Debian it is installed where it is missing. Elsewhere the tests that
 * need it are skipped by name, so this never fails for want of it.
 */
export async function provideChromium() {
  if (places.some((place) => existsSync(place)) || !canInstall()) return;
  await aptInstall(['chromium']);
}
