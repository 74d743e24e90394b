import { existsSync } from 'node:fs';

import { chromium } from 'playwright-core';

/** Where Chromium is on Debian, and where others can say it is. */
const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** A browser with a profile of its own, that asks the network for nothing. */
export function launchBrowser() {
  if (!existsSync(EXECUTABLE)) {
    throw new Error(
      `There is no Chromium at ${EXECUTABLE}. Install it (Debian: apt-get install chromium), or set CHROMIUM to where it is.`,
    );
  }
  return chromium.launch({
    executablePath: EXECUTABLE,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
