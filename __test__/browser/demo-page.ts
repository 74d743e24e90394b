import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

import type { BrowserContextOptions, Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';

import { launchBrowser } from './launch.js';

export const root = path.resolve(import.meta.dirname, '../..');
export const DEMO = ['--import', 'tsx', 'demo/index.js'];

/** The server of the demo, and a browser for its page. */
export async function startDemo() {
  const browser = await launchBrowser();
  const { server, url } = await serve();
  /** For all tests that have no wishes of their own. */
  let ordinary: Page | undefined;

  async function newPage(options: BrowserContextOptions) {
    const page = await (await browser.newContext(options)).newPage();
    page.setDefaultTimeout(10_000);
    return page;
  }

  /** The page, loaded anew; an error in its code is one in the test. */
  async function open(options?: BrowserContextOptions) {
    ordinary ??= await newPage({ viewport: { width: 1280, height: 900 } });
    const page = options ? await newPage(options) : ordinary;
    const errors: unknown[] = [];
    const add = (error: unknown) => errors.push(error);
    page.on('pageerror', add);
    onTestFinished(async () => {
      page.off('pageerror', add);
      await (options ? page.context().close() : page.unrouteAll());
      expect(errors).toEqual([]);
    });
    await page.goto(url);
    await page.waitForSelector('#issuer.good');
    return page;
  }

  async function close() {
    server.kill();
    await browser.close();
  }
  return { server, url, open, close };
}

async function serve() {
  const env = { ...process.env, PORT: '0' };
  const server = spawn(process.execPath, [...DEMO, '--serve'], { cwd: root, env });
  const [line] = await once(server.stdout, 'data');
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(String(line))?.[0];
  expect(url, String(line)).toBeDefined();
  return { server, url: url as string };
}

/** Presses a button, and waits until the page has told what came of it. */
export async function press(page: Page, name: string) {
  const said = page.locator('#said');
  await said.evaluate((element) => element.replaceChildren());
  await page.getByRole('button', { name, exact: true }).click();
  await page.waitForFunction(() => document.querySelector('#said')?.textContent !== '');
  return String(await said.textContent());
}
