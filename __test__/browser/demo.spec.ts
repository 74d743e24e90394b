import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { DEMO, press, root, startDemo } from './demo-page.js';

test('the demo shows one line a case, all as it should be, and ends', async () => {
  const env = { ...process.env, PORT: '0' };
  const { stdout } = await promisify(execFile)(process.execPath, DEMO, { cwd: root, env });
  const lines = stdout.trim().split('\n');
  expect(lines.at(-1)).toBe('All as it should be.');
  const answers = lines.map((line) => /\/api\/\w+ +(\d{3}) /.exec(line)?.[1]).filter(Boolean);
  expect(answers.join(' ')).toBe('200 200 200 401 401 403 200 200 200 503 200');
});

describe('the page of the demo', () => {
  let demo: Awaited<ReturnType<typeof startDemo>>;
  beforeAll(async () => {
    demo = await startDemo();
  });
  afterAll(() => demo?.close());

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
    const page = await demo.open();
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
    const page = await demo.open();
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
    const page = await demo.open();
    await press(page, 'Regular');
    expect(await page.locator('#expiry').textContent()).toMatch(/^– expires in (10:00|9:5\d) min$/);
    await press(page, 'Expire');
    expect(await outcomes(page)).toEqual(refusedBoth('401 ERR_JWT_EXPIRED'));
    expect(await members(page, 'claims')).toMatchObject({ claim: 'exp', retryable: 'false' });
    expect(await page.locator('#expiry').textContent()).toMatch(/^– expired 0:\d\d min ago$/);
  });

  test('refuses a token that was forged', async () => {
    const page = await demo.open();
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
    const page = await demo.open();
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
    const page = await demo.open();
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
    const page = await demo.open();
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
    const page = await demo.open();
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
    const response = await fetch(demo.url);
    expect(response.headers.get('content-security-policy')).toBe("default-src 'self'");
    expect(await response.text()).not.toMatch(/<style|style=|<script>|onclick=/);
  });

  test('says so when its server is gone', async () => {
    const page = await demo.open();
    demo.server.kill();
    await page.waitForFunction(() =>
      document.querySelector('#said')?.textContent?.includes('does not answer'),
    );
  });
});
