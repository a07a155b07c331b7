// Takes a picture of the top of a page, as it is in light. Usage: node shot.mjs PAGE.html PICTURE.png WIDTH HEIGHT
import { resolve } from "node:path";
import { launch } from "./support.mjs";

const [file, picture, width, height] = process.argv.slice(2);
const browser = await launch();
const page = await browser.newPage({ viewport: { width: Number(width), height: Number(height) }, colorScheme: "light" });
await page.goto(`file://${resolve(file)}`);
await page.screenshot({ path: picture });
await browser.close();
