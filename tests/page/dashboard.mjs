// Uses a host's dashboard as an operator would: gives the key, reads it on a desk and on a phone, in light and dark,
// finds a function, disables and enables it by keyboard. Prints one JSON object with what it saw; the caller judges it.
//
//     node dashboard.mjs CHROMIUM CONTROL_URL SCREENSHOT_DIR [FUNCTION [KEY]]
//
// FUNCTION (`credit` unless given) is one that is enabled; it is enabled again at the end. KEY is a control key, for a
// host that asks for one. NODE_PATH must lead to playwright-core.
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.NODE_PATH, "x.js"));
const { chromium } = require("playwright-core");
const [executablePath, base, shots, name = "credit", key] = process.argv.slice(2);

const browser = await chromium.launch({
  executablePath,
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const seen = { requests: [], failures: [], sizes: {}, posted: [] };

async function visit(title, viewport, colorScheme) {
  const context = await browser.newContext({ viewport, colorScheme, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.on("request", request => {
    seen.requests.push(request.url());
    if (request.method() !== "GET") seen.posted.push(`${request.method()} ${new URL(request.url()).pathname}`);
  });
  page.on("console", message => message.type() === "error" && !/status of (401|4\d\d)/.test(message.text()) && seen.failures.push(message.text()));
  page.on("pageerror", error => seen.failures.push(String(error)));
  await page.goto(base + "/");
  if (key) {
    await page.waitForSelector("#ask-key[open]");
    if (!seen.wrongKey) {
      await page.fill("#key", "wrong");
      await page.keyboard.press("Enter");
      await page.waitForFunction(() => document.querySelector("#key-alert").textContent !== "");
      seen.wrongKey = await page.textContent("#key-alert");
      await page.screenshot({ path: join(shots, "key.png") });
    }
    await page.fill("#key", key);
    await page.keyboard.press("Enter");
  }
  await page.waitForSelector("#rows tr");
  // Two more answers, so that the figures that compare two of them are there.
  for (let step = 0; step < 2; step++) await page.waitForResponse(response => response.url().endsWith("/api/overview"));
  await page.waitForFunction(() => document.querySelector("#link").textContent === "live");
  seen.sizes[title] = { overflow: await page.evaluate(() => document.documentElement.scrollWidth - innerWidth) };
  await page.screenshot({ path: join(shots, `${title}.png`), fullPage: true });
  return page;
}

const desk = await visit("desk", { width: 1280, height: 800 }, "light");
seen.title = await desk.title();
seen.about = await desk.textContent("#about");
seen.figures = Object.fromEntries(await desk.$$eval("#figures > div", boxes => boxes.map(box => [box.querySelector("dt").textContent, box.querySelector("dd").innerText.split("\n")])));
seen.columns = await desk.$$eval("#columns th", cells => cells.map(cell => cell.textContent));
seen.functions = Object.fromEntries(await desk.$$eval("#rows tr", rows => rows.map(row => [row.querySelector(".name").textContent, {
  link: row.querySelector(".name").getAttribute("href"),
  badges: [...row.querySelectorAll("th .badge")].map(badge => badge.textContent),
  description: row.querySelector(".about").textContent,
  traffic: [...row.querySelectorAll(".key li")].map(item => item.textContent),
  cells: [...row.querySelectorAll("td")].map(cell => cell.innerText.replace(/\s+/g, " ").trim()),
}])));
seen.budgets = await desk.$$eval("#budget-rows tr", rows => rows.map(row => row.innerText.replace(/\s+/g, " ").trim()));
seen.events = await desk.$$eval("#events li", items => items.map(item => item.innerText.replace(/\s+/g, " ").trim()));
// What others write stays text.
seen.elementsInTexts = await desk.$$eval(".about *, #events .what > :not(b), #events .what b *, .name *", nodes => nodes.length);
seen.scripted = await desk.evaluate(() => window.pwned !== undefined);

// The browser's own tree of roles: what a screen reader is given.
seen.roles = await desk.evaluate(() => ["table", "row", "columnheader", "rowheader", "cell"].filter(role => !document.querySelector(`#functions[role=${role}], #functions [role=${role}]`)));
seen.unnamed = await desk.$$eval("button, input, select, a", nodes => nodes.filter(node => node.checkVisibility() && !(node.textContent.trim() || node.labels?.length)).map(node => node.outerHTML));

// Find the function, disable it and enable it again, by keyboard alone.
await desk.focus("#find");
await desk.keyboard.type(name);
seen.found = await desk.$$eval("#rows .name", names => names.map(node => node.textContent));
const row = desk.locator("#rows tr", { has: desk.locator(`.name:text-is("${name}")`) });
const badge = row.locator("th .badge").first();
async function press(verb, confirm) {
  await row.locator("button", { hasText: verb }).focus();
  await desk.keyboard.press("Enter");
  await desk.waitForSelector("#confirm[open]");
  if (!confirm) {
    // The safe answer has the focus.
    seen.focused = await desk.evaluate(() => document.activeElement.textContent);
    await desk.screenshot({ path: join(shots, "confirm.png") });
    await desk.keyboard.press("Escape");
  } else {
    await desk.keyboard.press("Tab");
    await desk.keyboard.press("Enter");
  }
  await desk.waitForSelector("#confirm:not([open])", { state: "attached" });
}
seen.states = [await badge.textContent()];
await press("Disable", false);
seen.postedAfterEscape = seen.posted.length;
await press("Disable", true);
await desk.waitForFunction(() => document.querySelector("#rows .badge").textContent === "disabled");
seen.states.push(await badge.textContent());
await desk.screenshot({ path: join(shots, "disabled.png"), fullPage: true });
await press("Enable", true);
await desk.waitForFunction(() => document.querySelector("#rows .badge").textContent === "enabled");
seen.states.push(await badge.textContent());

// The focus and a selection survive the answers that come every two seconds.
await row.locator("button", { hasText: "Roll back" }).focus();
await desk.waitForResponse(response => response.url().endsWith("/api/overview"));
await desk.waitForTimeout(200);
seen.keptFocus = await desk.evaluate(() => document.activeElement.textContent.startsWith("Roll back"));

// A pause is one.
await desk.click("#pause");
const before = seen.requests.length;
await desk.waitForTimeout(2600);
seen.requestsInPause = seen.requests.length - before;
seen.pause = await desk.textContent("#link");
await desk.click("#pause");
await desk.waitForFunction(() => document.querySelector("#link").textContent === "live");

// The host goes away and comes back.
await desk.route("**/api/overview", route => route.abort());
await desk.waitForFunction(() => document.querySelector("#link").textContent.startsWith("no answer since"));
await desk.unroute("**/api/overview");
await desk.waitForFunction(() => document.querySelector("#link").textContent === "live");
seen.back = true;
seen.failures = seen.failures.filter(text => !text.includes("ERR_FAILED"));

await visit("desk-dark", { width: 1280, height: 800 }, "dark");
await visit("phone", { width: 360, height: 740 }, "light");
await visit("phone-dark", { width: 360, height: 740 }, "dark");
await visit("narrow", { width: 320, height: 640 }, "light");
await visit("wide", { width: 1600, height: 900 }, "light");
await browser.close();
seen.foreign = [...new Set(seen.requests)].filter(url => !url.startsWith(base + "/") && !url.startsWith("data:"));
seen.requests = seen.requests.length;
console.log(JSON.stringify(seen));
