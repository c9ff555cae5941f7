// Uses a function's page as a person would: reads it, changes a value, asks by keyboard, makes a mistake, on a desk and on
// a phone. Prints one JSON object with what it saw; the end-to-end tests judge it.
//
//     node page.mjs CHROMIUM URL SCREENSHOT_DIR
//
// NODE_PATH must lead to playwright-core.
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.NODE_PATH, "x.js"));
const { chromium } = require("playwright-core");
const [executablePath, url, shots] = process.argv.slice(2);

const browser = await chromium.launch({
  executablePath,
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const seen = { requests: [], failures: [], sizes: {} };

async function visit(name, viewport) {
  const page = await browser.newPage({ viewport });
  page.on("request", request => seen.requests.push(request.url()));
  page.on("console", message => message.type() === "error" && !message.text().includes("status of 400") && seen.failures.push(message.text()));
  page.on("pageerror", error => seen.failures.push(String(error)));
  await page.goto(url);
  await page.waitForSelector("#steps li");
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
  seen.sizes[name] = { overflow };
  return page;
}

const steps = page => page.$$eval("#steps li", items => items.map(item => item.textContent));

const desk = await visit("desk", { width: 1280, height: 800 });
seen.title = await desk.textContent("#title");
seen.labels = await desk.$$eval(".field", fields => fields.map(field => {
  const input = field.querySelector("input, select");
  return { label: field.querySelector("label")?.textContent, tied: field.querySelector("label")?.htmlFor === input?.id };
}));
seen.outcome = await desk.textContent("#outcome");
seen.steps = await steps(desk);

// By keyboard alone: the first number field, a new value, Enter.
const first = desk.locator(".field input[type=number]").first();
await first.focus();
await first.press("Control+a");
await desk.keyboard.type("67");
const answered = desk.waitForResponse(response => response.url().endsWith("/explain"));
await desk.keyboard.press("Enter");
seen.sent = (await answered).request().postDataJSON();
await desk.waitForFunction(() => !document.querySelector("#go").disabled);
seen.stepsAfter = await steps(desk);

// A mistake: half a year is refused, and the field is named.
await first.fill("67.5");
const refused = desk.waitForResponse(response => response.url().endsWith("/explain"));
await desk.keyboard.press("Enter");
seen.refusedWith = (await refused).status();
await desk.waitForSelector("[aria-invalid=true]");
seen.alert = await desk.textContent("#alert");
await desk.screenshot({ path: join(shots, "mistake.png"), fullPage: true });

// The keyboard reaches every control, in order.
await desk.evaluate(() => document.body.focus());
const reached = new Set();
for (let step = 0; step < 80; step++) {
  await desk.keyboard.press("Tab");
  reached.add(await desk.evaluate(() => document.activeElement?.id || document.activeElement?.tagName));
}
seen.controls = await desk.$$eval("#form input, #form select, #form button", controls => controls.map(control => control.id));
seen.unreachable = seen.controls.filter(id => !reached.has(id));

await visit("phone", { width: 320, height: 640 });
await browser.close();
console.log(JSON.stringify(seen));
