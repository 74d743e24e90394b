import path from 'node:path';

import type { BrowserContextOptions } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { press, root, startDemo } from './demo-page.js';

const artifacts = path.join(root, 'artifacts');

describe('the page of the demo', () => {
  let demo: Awaited<ReturnType<typeof startDemo>>;
  beforeAll(async () => {
    demo = await startDemo();
  });
  afterAll(() => demo?.close());

  test('can be used by keyboard alone, in the order of the page', async () => {
    const page = await demo.open();
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
    const page = await demo.open();
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
    const page = await demo.open(options);
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
