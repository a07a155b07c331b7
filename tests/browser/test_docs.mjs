// The page /docs of a service in Chromium, as a phone and as a screen, in light and in dark: whoever follows the "type" of a problem sees its
// paragraph; the page shows the API, and can call it. Usage: node test_docs.mjs URL.
import { checkPage, corners, expect, launch, pictureOfWindow, report, test, views } from "./support.mjs";

const [url] = process.argv.slice(2);

// Returns the page, and what it complained of or loaded from elsewhere.
async function open(browser, view, path) {
  const context = await browser.newContext({ viewport: view, colorScheme: view.colorScheme });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const noise = [];
  page.on("console", (message) => noise.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => noise.push(`error: ${error.message}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(`${url}/`) && !request.url().startsWith("data:")) noise.push(`request: ${request.url()}`);
  });
  await page.goto(url + path);
  return { page, noise, close: () => context.close() };
}

// An operation, opened. Returns its block, and a function that sends it and returns status and body.
async function openOperation(page, method, path) {
  const block = page.locator(`.opblock-${method}`, { has: page.locator(`[data-path="${path}"]`) });
  await block.locator(".opblock-summary-control").click();
  const send = async (body) => {
    if (body) await block.locator("textarea.body-param__text").fill(JSON.stringify(body));
    const replied = page.waitForResponse((response) => new URL(response.url()).pathname === path);
    await block.locator("button.execute").click();
    const response = await replied;
    await block.locator(".live-responses-table td.response-col_status:not(.col_header)").waitFor();
    const key = await response.request().headerValue("Idempotency-Key");
    expect(key === null, `a key that nobody has chosen is sent: ${key}`);
    return { status: response.status(), body: response.status() === 204 ? null : await response.json() };
  };
  return { block, send };
}

async function testView(browser, view) {
  const { page, noise, close } = await open(browser, view, "/docs#email_taken");
  await test(`${view.name}: the type of a problem leads to its paragraph, and to nothing else`, async () => {
    await page.locator(".opblock").first().waitFor({ state: "attached" });
    const box = await page.locator("#email_taken").boundingBox();
    expect(box && box.y >= 0 && box.y < view.height / 2, `the paragraph is at ${JSON.stringify(box)}`);
    expect(!(await page.locator("#api").isVisible()), "the API is shown, too");
    await pictureOfWindow(page, `docs-errors-${view.name}`);
    await checkPage(page);
  });
  await test(`${view.name}: a link leads back to the API, which fits into the window`, async () => {
    await page.getByRole("link", { name: "API", exact: true }).click();
    await page.locator("#email_taken").waitFor({ state: "hidden" });
    await openOperation(page, "post", "/auth/register");
    await pictureOfWindow(page, `docs-${view.name}`);
    const [width, window] = await page.evaluate(() => [document.scrollingElement.scrollWidth, innerWidth]);
    expect(width <= window, `${width} in ${window} pixels`);
  });
  await test(`${view.name}: nothing is complained of`, () => expect(noise.length === 0, noise.join("; ")));
  await close();
}

async function testCalls(browser, view) {
  const { page, noise, close } = await open(browser, view, "/");
  const account = { email: `docs-${Date.now()}@example.org`, password: "a long walk by the sea" };
  await test("the root leads to the page, and the page shows the API", async () => {
    expect(new URL(page.url()).pathname === "/docs", page.url());
    await page.locator('[data-path="/auth/register"]').waitFor();
  });
  await test("somebody registers, logs in, and asks who he is, without copying a token", async () => {
    const register = await openOperation(page, "post", "/auth/register");
    const example = await register.block.locator("textarea.body-param__text").inputValue();
    expect(typeof JSON.parse(example).email === "string", `the example is ${example}`);
    expect((await register.send(account)).status === 201, "not registered");
    const login = await openOperation(page, "post", "/auth/login");
    const tokens = await login.send(account);
    expect(tokens.status === 200, "not logged in");
    expect((await page.locator("#login-state").textContent()) === "you are logged in", "the page does not say so");
    const me = await openOperation(page, "get", "/auth/me");
    const reply = await me.send();
    expect(reply.status === 200 && reply.body.email === account.email, JSON.stringify(reply));
    const logout = await openOperation(page, "post", "/auth/logout");
    expect((await logout.send()).status === 204, "not logged out");
    const headers = { Authorization: `Bearer ${tokens.body.access_token}` };
    const after = await fetch(new URL("/auth/me", page.url()), { headers });
    expect(after.status === 401, `the session lives on: ${after.status}`);
  });
  await test("nothing is complained of", () => expect(noise.length === 0, noise.join("; ")));
  await pictureOfWindow(page, "docs-calls");
  await close();
}

const browser = await launch();
for (const view of corners) await testView(browser, view);
await testCalls(browser, views[2]);
await browser.close();
report();
