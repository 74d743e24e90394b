import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { promisify } from 'node:util';

import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';

import { launchBrowser } from './launch.js';

const root = path.resolve(import.meta.dirname, '../..');
const artifacts = path.join(root, 'artifacts');
const DEMO = ['--import', 'tsx', 'demo/index.js'];

test('the demo shows one line a case, all as it should be, and ends', async () => {
  const env = { ...process.env, PORT: '0' };
  const { stdout } = await promisify(execFile)(process.execPath, DEMO, { cwd: root, env });
  const lines = stdout.trim().split('\n');
  expect(lines.at(-1)).toBe('All as it should be.');
  const answers = lines.map((line) => /\/api\/\w+ +(\d{3}) /.exec(line)?.[1]).filter(Boolean);
  expect(answers.join(' ')).toBe('200 200 200 401 401 403 200 200 200 503 200');
});

describe('the page of the demo', () => {
  let demo: ChildProcess;
  let url: string;
  let browser: Browser;
  /** For all tests that have no wishes of their own. */
  let ordinary: Page;

  beforeAll(async () => {
    [{ demo, url }, browser] = await Promise.all([startDemo(), launchBrowser()]);
    ordinary = await newPage({ viewport: { width: 1280, height: 900 } });
  });
  afterAll(async () => {
    demo?.kill();
    await browser?.close();
  });

  async function startDemo() {
    const env = { ...process.env, PORT: '0' };
    const demo = spawn(process.execPath, [...DEMO, '--serve'], { cwd: root, env });
    const [line] = await once(demo.stdout, 'data');
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(String(line))?.[0];
    expect(url, String(line)).toBeDefined();
    return { demo, url: url as string };
  }

  /** The page, loaded anew; an error in its code is one in the test. */
  async function open(options?: BrowserContextOptions) {
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

  async function newPage(options: BrowserContextOptions) {
    const page = await (await browser.newContext(options)).newPage();
    page.setDefaultTimeout(10_000);
    return page;
  }

  /** Presses a button, and waits until the page has told what came of it. */
  async function press(page: Page, name: string) {
    const said = page.locator('#said');
    await said.evaluate((element) => element.replaceChildren());
    await page.getByRole('button', { name, exact: true }).click();
    await page.waitForFunction(() => document.querySelector('#said')?.textContent !== '');
    return String(await said.textContent());
  }

  const outcomes = (page: Page) => page.locator('.outcome .pill').allInnerTexts();
  const OK = '200 OK';
  const refusedBoth = (code: string) => [code, code];

  /** What a description list says. */
  const members = (page: Page, id: string) =>
    page
      .locator(`#${id}`)
      .evaluate((element) =>
        Object.fromEntries(
          [...element.querySelectorAll('dt')].map((name) => [
            name.textContent,
            name.nextElementSibling?.textContent,
          ]),
        ),
      );

  test('shows the claims and the user side by side, with the time each took', async () => {
    const page = await open();
    const said = await press(page, 'Regular');
    expect(said).toMatch(
      /^Signed in as Ada Lovelace\. Claims: 200 in [\d.]+ ms\. User: 200 in [\d.]+ ms\.$/,
    );
    expect(await outcomes(page)).toEqual([OK, OK]);
    const [claims, user] = [await members(page, 'claims'), await members(page, 'user')];
    expect(claims).toMatchObject({ email: 'ada@example.com', is_restricted: 'false' });
    expect(user).toMatchObject({ id: claims.sub, primary_email: 'ada@example.com' });
    expect(Object.keys(user)).toContain('server_metadata');
    for (const took of await page.locator('.took').allInnerTexts()) {
      expect(took).toMatch(/^in \d+(\.\d\d)? ms$/);
    }
    expect(await press(page, 'Call /api/users/me')).toMatch(/^Called\. Claims: 200/);

    const [left, right] = await Promise.all(
      ['claims', 'user'].map((id) => page.locator(`#${id}`).boundingBox()),
    );
    expect(left?.y).toBe(right?.y);
    expect(left?.x).toBeLessThan(right?.x ?? 0);
  });

  test('signs in users of each type, and says whom the server admits', async () => {
    const page = await open();
    const admit = async (what: string) => {
      await page.locator('#said').evaluate((element) => element.replaceChildren());
      await page.getByLabel('The server admits').selectOption(what);
      await page.waitForFunction(() => document.querySelector('#said')?.textContent !== '');
    };
    const no = refusedBoth('403 ERR_USER_TYPE_NOT_ALLOWED');
    for (const [name, admitting, reason] of [
      ['Restricted', 'restricted users too', 'email_not_verified'],
      ['Anonymous', 'everybody', 'anonymous'],
    ] as const) {
      await admit('regular users');
      await press(page, name);
      expect(await outcomes(page)).toEqual(no);
      await admit(admitting);
      expect(await outcomes(page)).toEqual([OK, OK]);
      const claims = await members(page, 'claims');
      expect(claims.restricted_reason).toBe(JSON.stringify({ type: reason }));
      const pressed = page.locator('fieldset [aria-pressed=true]');
      expect(await pressed.allInnerTexts()).toEqual([name]);
    }
  });

  test('refuses a token that has expired', async () => {
    const page = await open();
    await press(page, 'Regular');
    expect(await page.locator('#expiry').textContent()).toMatch(/^– expires in (10:00|9:5\d) min$/);
    await press(page, 'Expire');
    expect(await outcomes(page)).toEqual(refusedBoth('401 ERR_JWT_EXPIRED'));
    expect(await members(page, 'claims')).toMatchObject({ claim: 'exp', retryable: 'false' });
    expect(await page.locator('#expiry').textContent()).toMatch(/^– expired 0:\d\d min ago$/);
  });

  test('refuses a token that was forged', async () => {
    const page = await open();
    await press(page, 'Regular');
    const before = await page.locator('#token span').allTextContents();
    await press(page, 'Forge');
    const after = await page.locator('#token span').allTextContents();
    expect([after[0], after[2]]).toEqual([before[0], before[2]]);
    expect(Buffer.from(after[1] ?? '', 'base64url').toString()).toContain('Mallory');
    const refused = '401 ERR_JWS_SIGNATURE_VERIFICATION_FAILED';
    expect(await outcomes(page)).toEqual(refusedBoth(refused));
  });

  test('takes a token under a new key, for one more fetch', async () => {
    const page = await open();
    await press(page, 'Regular');
    const [kids, { fetches }] = await keyCache(page);
    await press(page, 'Rotate keys');
    expect(await outcomes(page)).toEqual([OK, OK]);
    const [kidsAfter, stats] = await keyCache(page);
    expect(kidsAfter).toHaveLength(4);
    expect(kidsAfter.slice(2)).toEqual(kids.slice(0, 2));
    expect(Number(stats.fetches)).toBe(Number(fetches) + 1);
    expect(await page.locator('#age').textContent()).toMatch(/^– fetched \d+ s ago/);
    expect(await page.getByLabel('Freshness').evaluate((e: any) => e.value)).toBeGreaterThan(590);
  });

  const keyCache = async (page: Page) =>
    [await page.locator('#kids li').allInnerTexts(), await keyStats(page)] as const;
  const keyStats = (page: Page) => members(page, 'key-stats');

  test('verifies while the issuer is down, and says that the user cannot be had', async () => {
    const page = await open();
    await press(page, 'Regular');
    const down = page.getByRole('button', { name: 'Issuer down' });
    expect(await down.getAttribute('aria-pressed')).toBe('false');
    expect(await press(page, 'Issuer down')).toMatch(/^Stack Auth is down\./);
    expect(await outcomes(page)).toEqual([OK, '503 ERR_API_UNAVAILABLE']);
    expect(await members(page, 'user')).toMatchObject({ retryable: 'true' });
    await page.waitForSelector('#issuer.bad');
    expect(await page.locator('#issuer').textContent()).toBe('Issuer is down');
    expect(await down.getAttribute('aria-pressed')).toBe('true');

    expect(await press(page, 'Issuer down')).toMatch(/^Stack Auth is back\./);
    expect(await outcomes(page)).toEqual([OK, OK]);
    await page.waitForSelector('#issuer.good');
  });

  test('counts what was remembered, new and refused, live', async () => {
    const page = await open();
    const totals = async () => {
      const texts = await page.locator('#legend .total').allInnerTexts();
      return texts.map((text) => Number.parseInt(text, 10));
    };
    const until = (index: number, least: number) =>
      page.waitForFunction(
        ([index, least]) => {
          const text = document.querySelectorAll('#legend .total')[index as number]?.textContent;
          return Number.parseInt(text ?? '', 10) >= (least as number);
        },
        [index, least],
      );
    await page.waitForSelector('#legend .total');
    const [remembered = 0, fresh = 0, refused = 0] = await totals();
    await press(page, 'Regular');
    expect(await press(page, 'Call 200 times')).toMatch(/^Called 200 times in \d+ ms\./);
    await until(0, remembered + 200);
    await until(1, fresh + 1);
    await press(page, 'Forge');
    await press(page, 'Call 200 times');
    await until(2, refused + 202);
    const bars = await page
      .locator('#chart rect')
      .evaluateAll((all) => all.filter((bar) => Number(bar.getAttribute('height')) > 1).length);
    expect(bars).toBeGreaterThan(1);
    expect(await page.locator('#chart').getAttribute('aria-label')).toMatch(
      /^remembered \d+ per second, new \d+ per second, refused \d+ per second$/,
    );
  });

  test('takes no markup from a server', async () => {
    const page = await open();
    const markup = '<img src=x onerror="document.title = 1"><script>document.title = 2</script>';
    await page.route('**/api/**', (route) =>
      route.fulfill({ json: { error: markup, message: markup, [markup]: markup } }),
    );
    await press(page, 'Regular');
    expect(await members(page, 'claims')).toEqual({
      error: markup,
      message: markup,
      [markup]: markup,
    });
    expect(await page.locator('main img, main script').count()).toBe(0);
    expect(await page.title()).toMatch(/^Who is calling/);
  });

  test('has no code or style that is not a file of its own', async () => {
    const response = await fetch(url);
    expect(response.headers.get('content-security-policy')).toBe("default-src 'self'");
    expect(await response.text()).not.toMatch(/<style|style=|<script>|onclick=/);
  });

  test('can be used by keyboard alone, in the order of the page', async () => {
    const page = await open();
    const focused = async () => {
      await page.keyboard.press('Tab');
      return page.evaluate(() => {
        const element = document.activeElement as HTMLElement;
        const { outlineStyle, outlineWidth } = getComputedStyle(element);
        return [element.id || element.tagName, outlineStyle, Number.parseFloat(outlineWidth)];
      });
    };
    const seen = (id: string) => [id, 'solid', 3];
    expect(await focused()).toEqual(seen('sign-in-regular'));
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelector('#said')?.textContent?.match(/User: /));
    const order: unknown[] = [];
    for (let count = 0; count < 10; count++) {
      order.push(await focused());
    }
    expect(order).toEqual(
      [
        ...['sign-in-restricted', 'sign-in-anonymous', 'SUMMARY', 'call', 'flood', 'admits'],
        ...['expire', 'forge', 'rotate', 'down'],
      ].map(seen),
    );
    await page.locator('#forge').focus();
    await page.keyboard.press('Space');
    await page.waitForSelector('#claims .pill.bad');
  });

  test('gives names to everything, and tells of changes', async () => {
    const page = await open();
    const found = await page.evaluate(() => {
      const all = (selector: string) => [...document.querySelectorAll<HTMLElement>(selector)];
      const ids = all('[id]').map(({ id }) => id);
      const references = all('[aria-labelledby]').map((e) => e.getAttribute('aria-labelledby'));
      return {
        language: document.documentElement.lang,
        title: document.title !== '',
        repeatedIds: ids.filter((id, index) => ids.indexOf(id) !== index),
        lostReferences: references.filter((id) => !document.getElementById(id ?? '')),
        namelessButtons: all('button').filter((e) => !e.textContent.trim()).length,
        namelessFields: all('select, meter').filter((e: any) => e.labels.length === 0).length,
        namelessPictures: all('svg, img').filter((e) => !e.getAttribute('aria-label')).length,
        headings: all('h1, h2, h3').map(({ tagName }) => tagName),
        live: all('[role=status][aria-live=polite]').map(({ id }) => id),
      };
    });
    expect(found).toEqual({
      language: 'en',
      title: true,
      repeatedIds: [],
      lostReferences: [],
      namelessButtons: 0,
      namelessFields: 0,
      namelessPictures: 0,
      headings: ['H1', 'H2', 'H2', 'H2', 'H2', 'H2', 'H2'],
      live: ['said'],
    });
    expect(await page.getByRole('group', { name: 'Make trouble' }).count()).toBe(1);
    expect(await page.getByRole('region', { name: 'Key cache' }).count()).toBe(1);
  });

  test.each<[string, BrowserContextOptions]>([
    ['desktop', { viewport: { width: 1280, height: 900 } }],
    ['phone', { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }],
    ['dark', { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' }],
    ['narrow', { viewport: { width: 320, height: 640 }, isMobile: true, colorScheme: 'dark' }],
  ])('can be read and pressed: %s', async (name, options) => {
    const page = await open(options);
    await press(page, 'Regular');
    await page.screenshot({ path: path.join(artifacts, `demo-${name}.png`), fullPage: true });
    expect(await page.evaluate(faintTexts)).toEqual([]);
    await press(page, 'Expire');
    expect(await page.evaluate(faintTexts)).toEqual([]);

    const { width = 0 } = options.viewport ?? {};
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    const sizes = await page
      .locator('button, select')
      .evaluateAll((all) => all.map((element) => element.getBoundingClientRect().height));
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(44);
    const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(dark).toBe(options.colorScheme === 'dark' ? 'rgb(20, 23, 26)' : 'rgb(244, 242, 238)');
  });

  test('says so when its server is gone', async () => {
    const page = await open();
    demo.kill();
    await page.waitForFunction(() =>
      document.querySelector('#said')?.textContent?.includes('does not answer'),
    );
  });
});

/** In the page: texts whose contrast is below 4.5 to 1 (WCAG 2.2, 1.4.3). */
function faintTexts() {
  const channels = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (color: string) => {
    const [red = 0, green = 0, blue = 0] = channels(color)
      .slice(0, 3)
      .map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const groundOf = (element: Element | null): string => {
    const color = element ? getComputedStyle(element).backgroundColor : 'rgb(255, 255, 255)';
    return channels(color)[3] === 0 ? groundOf(element?.parentElement ?? null) : color;
  };
  const texts = [...document.querySelectorAll<HTMLElement>('body *')].filter(
    (element) =>
      element.checkVisibility() &&
      !element.matches(':disabled, option') &&
      [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent?.trim()),
  );
  return texts.flatMap((element) => {
    const pair = [getComputedStyle(element).color, groundOf(element)].map(luminance);
    const contrast = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    return contrast < 4.5 ? [`${element.textContent?.trim()}: ${contrast.toFixed(2)}`] : [];
  });
}
