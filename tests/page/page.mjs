// Uses the pages of functions as a person would: reads them, changes a value, asks by keyboard, makes a mistake, looks at
// every view, on a desk and on a phone; writes a review, draws a digit. Prints one JSON object with what it saw; the
// end-to-end tests judge it.
//
//     node page.mjs CHROMIUM BASE_URL SCREENSHOT_DIR
//
// NODE_PATH must lead to playwright-core.
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.NODE_PATH, "x.js"));
const { chromium } = require("playwright-core");
const [executablePath, base, shots] = process.argv.slice(2);

const browser = await chromium.launch({
  executablePath,
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const seen = { requests: [], failures: [], sizes: {} };

async function visit(name, path, viewport) {
  const page = await browser.newPage({ viewport });
  page.on("request", request => seen.requests.push(request.url()));
  page.on("console", message => message.type() === "error" && !message.text().includes("status of 400") && seen.failures.push(message.text()));
  page.on("pageerror", error => seen.failures.push(String(error)));
  await page.goto(base + path);
  await page.waitForSelector("#panel > *");
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
  seen.sizes[name] = { overflow };
  return page;
}

const desktop = { width: 1280, height: 800 }, telephone = { width: 320, height: 640 };

// Until the function has answered and the page shows it.
const settled = page => page.waitForFunction(() => !document.querySelector("#go").disabled && !document.querySelector(".busy"));

const steps = page => page.$$eval("#steps li", items => items.map(item => item.textContent));

const desk = await visit("desk", "/credit/", desktop);
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
await settled(desk);
seen.stepsAfter = await steps(desk);

// A mistake: half a year is refused, and the field is named.
await first.fill("67.5");
const refused = desk.waitForResponse(response => /\/predict(\?|$)/.test(response.url()));
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

// Every way to explain, and the model as a whole.
await first.fill("67");
await desk.click("#go");
await settled(desk);
seen.methods = await desk.$$eval("#method option", options => options.map(option => option.value));
await desk.selectOption("#method", "leverage");
await desk.waitForSelector("#steps .error", { state: "attached" });
await desk.screenshot({ path: join(shots, "estimate.png"), fullPage: true });
seen.estimate = { unit: await desk.textContent("#unit"), errors: await desk.$$eval("#steps small", errors => errors.length) };
seen.views = {};
for (const button of await desk.$$("#views button")) {
  const name = await button.textContent();
  await button.click();
  await settled(desk);
  seen.views[name] = {
    pressed: await button.getAttribute("aria-pressed"),
    text: await desk.textContent("#why"),
    parts: await desk.$$eval("#steps li, #panel td b, #panel .rule li", parts => parts.length),
  };
  await desk.screenshot({ path: join(shots, `view-${Object.keys(seen.views).length}.png`), fullPage: true });
}
await desk.locator("#global").scrollIntoViewIfNeeded();
await desk.waitForSelector("#importance li");
await desk.waitForSelector("#dependence svg .curve, #dependence svg .point");
await desk.selectOption("#curve", "housing");
await desk.waitForSelector("#dependence svg .point");
await desk.screenshot({ path: join(shots, "whole.png"), fullPage: true });
seen.important = await desk.$$eval("#importance li", items => items.length);

const phone = await visit("phone", "/credit/", telephone);
for (const button of await phone.$$("#views button")) {
  await button.click();
  await settled(phone);
}
seen.sizes.phoneViews = { overflow: await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth) };
await phone.screenshot({ path: join(shots, "phone-views.png"), fullPage: true });

// A review: every word of it is in the answer, and another text gives another one.
const review = await visit("review", "/reviews/", desktop);
const words = page => page.$$eval(".words mark", marks => marks.map(mark => mark.textContent));
await review.fill("textarea", "Great sound 👍 but a terrible battery.");
await review.click("#go");
await settled(review);
seen.words = await words(review);
seen.text = await review.textContent(".words");
await review.screenshot({ path: join(shots, "review-written.png"), fullPage: true });

// A digit: the example is read, and a line drawn on an empty pad is another one.
const digit = await visit("digit", "/digits/", telephone);
seen.digit = await digit.textContent("#outcome");
await digit.click("text=Clear");
const pad = await (await digit.$(".pad")).boundingBox();
await digit.mouse.move(pad.x + pad.width / 2, pad.y + 10);
await digit.mouse.down();
await digit.mouse.move(pad.x + pad.width / 2, pad.y + pad.height - 10, { steps: 8 });
await digit.mouse.up();
await digit.click("#go");
await settled(digit);
seen.drawn = await digit.textContent("#outcome");
await digit.screenshot({ path: join(shots, "digit-drawn.png"), fullPage: true });

await browser.close();
console.log(JSON.stringify(seen));
