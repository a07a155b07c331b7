// What the tests that drive a browser share.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const views = [
  { name: "phone-light", width: 360, height: 740, colorScheme: "light" },
  { name: "phone-dark", width: 360, height: 740, colorScheme: "dark" },
  { name: "screen-light", width: 1280, height: 900, colorScheme: "light" },
  { name: "screen-dark", width: 1280, height: 900, colorScheme: "dark" },
];

// Each size and each scheme once: enough for what depends on one of the two only.
export const corners = [views[0], views[3]];

const counts = { passed: 0, failed: 0 };

export async function test(name, body) {
  const begin = Date.now();
  try {
    await body();
    if (process.env.TIMES) console.log(`${((Date.now() - begin) / 1000).toFixed(1)} s: ${name}`);
    counts.passed++;
  } catch (error) {
    counts.failed++;
    console.log(`browser: ${name}: ${error.stack}`);
  }
}

export function expect(condition, message) {
  if (!condition) throw new Error(message);
}

// Asks until it is so.
export async function eventually(condition, message, seconds = 60) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end;) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(message);
}

// As root, Chromium runs without its sandbox only.
export const launch = (options = {}) =>
  chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"], ...options });

// The last line of the script.
export function report() {
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  process.exitCode = counts.failed > 0 ? 1 : 0;
}

// Nothing on the page is wider than the window, and axe-core finds nothing: names of fields, contrast (WCAG 2.2 AA), order of headings.
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export async function checkPage(page) {
  const [width, window] = await page.evaluate(() => [document.scrollingElement.scrollWidth, innerWidth]);
  expect(width <= window, `the page has ${width} in ${window} pixels`);
  await page.evaluate(axe); // by the debugger, past the page's policy
  const found = await page.evaluate(() => axe.run());
  const lines = found.violations.map((rule) => `${rule.help}: ${rule.nodes.map((node) => node.target.join(" ")).join(", ")}`);
  expect(lines.length === 0, lines.join("\n"));
}

// Files beside this one: of the whole page, and of what the window shows, which takes less time when the page is long.
const pathOf = (name) => fileURLToPath(new URL(`${name}.png`, import.meta.url));
export const picture = (page, name) => page.screenshot({ path: pathOf(name), fullPage: true });
export const pictureOfWindow = (page, name) => page.screenshot({ path: pathOf(name) });
