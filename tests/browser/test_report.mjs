// Opens the page of a run in Chromium, as a phone and as a screen, in light and in dark. Usage: node test_report.mjs FAILPOINT RUN.json
// DIRECTORY. The last line is "N passed, M failed"; the pictures are in DIRECTORY.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, launch, report, test, views } from "./support.mjs";

const [failpoint, record, directory] = process.argv.slice(2);
const run = JSON.parse(readFileSync(record, "utf8"));

function makePage(name, content) {
  const json = join(directory, `${name}.json`);
  const html = join(directory, `${name}.html`);
  writeFileSync(json, JSON.stringify(content));
  execFileSync(failpoint, ["report", json, "--html", html]);
  return html;
}

// Returns the page, and what it logged or requested.
async function open(browser, file, view) {
  const context = await browser.newContext({ viewport: view, colorScheme: view.colorScheme });
  const page = await context.newPage();
  const noise = [];
  page.on("console", (message) => noise.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => noise.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => noise.push(`dialog: ${dialog.message()}`));
  page.on("request", (request) => {
    if (request.url() !== `file://${file}` && !request.url().startsWith("data:")) noise.push(`request: ${request.url()}`);
  });
  await page.goto(`file://${file}`);
  return { page, noise, close: () => context.close() };
}

// WCAG 2.2, 1.4.3: of every text on the page, against the nearest ground that is not transparent.
function lowestContrast() {
  const channel = (value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const numbers = (color) => color.match(/[\d.]+/g).map(Number);
  const groundOf = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const ground = numbers(getComputedStyle(at).backgroundColor);
      if (ground.length < 4 || ground[3] > 0) return ground;
    }
    return [255, 255, 255];
  };
  let lowest = { ratio: 99, text: "" };
  for (const element of document.querySelectorAll("h1,h2,p,dt,dd,small,th,td,li,span,b,pre,svg text")) {
    if (!element.textContent.trim()) continue;
    const style = getComputedStyle(element);
    const ink = numbers(element.closest("svg") ? style.fill : style.color);
    const [a, b] = [luminance(ink), luminance(groundOf(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < lowest.ratio) lowest = { ratio, text: element.textContent.slice(0, 40) };
  }
  return lowest;
}

async function testView(browser, file, view) {
  const { page, noise, close } = await open(browser, file, view);
  await page.screenshot({ path: join(directory, `report-${view.name}.png`), fullPage: true });
  await test(`${view.name}: nothing is loaded and nothing is complained of`, () => expect(noise.length === 0, noise.join("; ")));
  await test(`${view.name}: the verdict is the headline`, async () => {
    expect((await page.locator("h1").textContent()) === run.verdict.headline, "another headline");
    expect((await page.title()) === run.verdict.headline, "another title");
  });
  await test(`${view.name}: nothing is wider than the window`, async () => {
    const [width, window] = await page.evaluate(() => [document.scrollingElement.scrollWidth, innerWidth]);
    expect(width <= window, `${width} in ${window} pixels`);
  });
  await test(`${view.name}: the steps can be read without scrolling sideways, with the verdict in sight`, async () => {
    const hidden = await page.evaluate(() => {
      const table = document.querySelector(".steps");
      const cells = [...table.querySelectorAll("td")].filter((cell) => cell.getBoundingClientRect().right > innerWidth);
      return table.scrollWidth > table.clientWidth ? "the table is wider than its frame" : cells.map((cell) => cell.textContent).join();
    });
    expect(hidden === "", hidden);
  });
  await test(`${view.name}: charts are drawn, and their letters can be read`, async () => {
    const charts = await page.evaluate(() =>
      [...document.querySelectorAll("svg")].map((svg) => ({
        title: svg.getAttribute("aria-label"),
        drawn: [...svg.querySelectorAll("polyline,polygon")].some((shape) => shape.getAttribute("points").split(" ").length > 2),
        letters: Math.min(...[...svg.querySelectorAll("text")].map((text) => text.getBoundingClientRect().height)),
        outside: [...svg.querySelectorAll("text")].some((text) => {
          const [a, b] = [text.getBoundingClientRect(), svg.getBoundingClientRect()];
          return a.left < b.left - 1 || a.right > b.right + 1 || a.bottom > b.bottom + 1;
        }),
      })),
    );
    expect(charts.length >= 4, `${charts.length} charts`);
    for (const chart of charts) {
      expect(chart.drawn, `${chart.title} is empty`);
      expect(Math.round(chart.letters * 10) >= 90, `${chart.title} has letters of ${chart.letters} pixels`);
      expect(!chart.outside, `${chart.title} has letters outside of its picture`);
    }
  });
  await test(`${view.name}: latency over load rises where a search has tried near loads again and again`, async () => {
    const falls = await page.evaluate(() =>
      [...document.querySelector('svg[aria-label="Latency over load"]').querySelectorAll("polyline")].flatMap((line) => {
        const heights = line.getAttribute("points").trim().split(" ").map((point) => Number(point.split(",")[1]));
        return heights.filter((height, i) => i > 0 && height > heights[i - 1] + 5);
      }),
    );
    expect(falls.length === 0, `${falls.length} times it falls`);
  });
  await test(`${view.name}: every text stands out from its ground`, async () => {
    const lowest = await page.evaluate(lowestContrast);
    expect(lowest.ratio >= 4.5, `${lowest.ratio.toFixed(2)} for "${lowest.text}"`);
  });
  await test(`${view.name}: every step has its row, and the command is there`, async () => {
    expect((await page.locator("tbody tr").count()) >= run.steps.length, "rows are missing");
    expect((await page.locator("pre").textContent()) === run.options.line, "another command");
  });
  await close();
}

async function testHostile(browser) {
  const evil = `</title></h1><script>alert(1)</script><img src=x onerror=alert(2)>"'&`;
  const hostile = structuredClone(run);
  hostile.verdict.headline = hostile.verdict.because = hostile.machine.server = hostile.options.url = evil;
  hostile.steps[0].why = evil;
  const file = makePage("hostile", hostile);
  const { page, noise, close } = await open(browser, file, views[0]);
  await test("words of a server are shown as words", async () => {
    expect((await page.locator("h1").textContent()) === evil, "the headline is another");
    expect((await page.locator("script,img").count()) === 0, "an element came out of a text");
    expect(noise.length === 0, noise.join("; "));
  });
  await close();
}

async function testEmpty(browser) {
  const empty = { ...structuredClone(run), steps: [], seconds_list: [], trends: [] };
  const file = makePage("empty", empty);
  const { page, noise, close } = await open(browser, file, views[0]);
  await test("a run that was over before it began has a page, too", async () => {
    expect((await page.locator("h1").textContent()) === run.verdict.headline, "no headline");
    expect((await page.locator("svg").count()) === 0, "a chart of nothing");
    expect(noise.length === 0, noise.join("; "));
  });
  await close();
}

const browser = await launch();
const file = makePage("report", run);
for (const view of views) await testView(browser, file, view);
await testHostile(browser);
await testEmpty(browser);
await browser.close();
report();
