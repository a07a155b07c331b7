// Draws config/grafana/jwtd.json as Grafana would, with the answers of a Prometheus. Usage: node board.mjs BOARD.json PROMETHEUS FROM TO WINDOW
// PICTURE.png; FROM and TO in seconds of the epoch, WINDOW (such as 10s) in place of $__rate_interval. Fails if a panel has no data.
import { readFileSync } from "node:fs";
import { launch } from "./support.mjs";

const [boardPath, prometheus, from, to, window, picture] = process.argv.slice(2);
const board = JSON.parse(readFileSync(boardPath, "utf8"));
const column = 60; // pixels of one of 24 columns
const line = 30; // of a unit of height
const colors = ["#3274d9", "#e0752d", "#299c46", "#a352cc", "#e02f44", "#b58900", "#0f9d9d", "#7f7f7f", "#8f3bb8", "#56a64b", "#1f60c4", "#fa6400"];

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

// ---- data

async function ask(path, parameters) {
  const response = await fetch(`${prometheus}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const answer = await response.json();
  if (answer.status !== "success") throw new Error(`${parameters.query}: ${answer.error}`);
  return answer.data.result;
}

const expression = (target) => target.expr.replaceAll("$__rate_interval", window).replaceAll("$instance", ".*").replaceAll("[1h]", `[${to - from}s]`);
const legendOf = (target, labels) => target.legendFormat.replace(/{{(\w+)}}/g, (_, name) => labels[name] ?? "");

async function load(panel) {
  const series = [];
  for (const target of panel.targets) {
    const query = expression(target);
    const result =
      panel.type === "table"
        ? await ask("query", { query, time: to })
        : await ask("query_range", { query, start: from, end: to, step: Math.max(1, Math.round((to - from) / 200)) });
    for (const { metric, value, values } of result)
      series.push({
        labels: metric,
        name: legendOf(target, metric),
        points: (values ?? [value]).map(([time, text]) => [time, Number(text)]).filter(([, number]) => Number.isFinite(number)),
      });
  }
  if (!series.some(({ points }) => points.length > 0)) throw new Error(`${panel.title}: no data`);
  return series;
}

// ---- numbers

const scaled = (value, steps) => {
  const [size, name] = steps.find(([size]) => Math.abs(value) >= size) ?? steps.at(-1);
  return `${Number((value / size).toPrecision(3))}${name}`;
};
const units = {
  s: (v) => (v === 0 ? "0 s" : scaled(v, [[86400, " d"], [3600, " h"], [60, " min"], [1, " s"], [1e-3, " ms"], [1e-6, " µs"]])),
  d: (v) => `${v.toFixed(1)} d`,
  bytes: (v) => scaled(v, [[2 ** 30, " GiB"], [2 ** 20, " MiB"], [2 ** 10, " KiB"], [1, " B"]]),
  percentunit: (v) => `${(100 * v).toFixed(2)} %`,
  reqps: (v) => `${Number(v.toPrecision(3))} /s`,
  ops: (v) => `${Number(v.toPrecision(3))} /s`,
  cps: (v) => `${Number(v.toPrecision(3))} /s`,
  short: (v) => String(Number(v.toPrecision(4))),
};
const format = (panel, value) => (units[panel.fieldConfig.defaults.unit] ?? units.short)(value);

// ---- panels

function drawLines(panel, series, width, height) {
  const stacked = panel.fieldConfig.defaults.custom.stacking !== undefined;
  const below = new Map();
  const shapes = series.map(({ name, points }) => ({
    name,
    points: points.map(([time, value]) => {
      const base = stacked ? (below.get(time) ?? 0) : 0;
      below.set(time, base + value);
      return [time, base, base + value];
    }),
  }));
  const highest = Math.max(...shapes.flatMap(({ points }) => points.map((p) => p[2])));
  const top = panel.fieldConfig.defaults.max ?? (highest > 0 ? 1.05 * highest : 1);
  const left = 58; // of the grid, beside its numbers
  const x = (time) => left + ((time - from) / (to - from)) * (width - left - 8);
  const y = (value) => height - 18 - (value / top) * (height - 26);
  const grid = [0, 0.5, 1].map(
    (share) => `<path d="M${left} ${y(top * share)}H${width - 8}" stroke="#ddd"/><text x="${left - 5}" y="${y(top * share) + 4}" text-anchor="end">${format(panel, top * share)}</text>`,
  );
  const times = [0, 0.5, 1].map((share) => {
    const seconds = Math.round((to - from) * share);
    return `<text x="${x(Number(from) + seconds)}" y="${height - 4}" text-anchor="${["start", "middle", "end"][share * 2]}">${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}</text>`;
  });
  const drawn = shapes.map(({ points }, i) => {
    const upper = points.map(([time, , value]) => `${x(time).toFixed(1)} ${y(value).toFixed(1)}`).join("L");
    const lower = points.map(([time, base]) => `${x(time).toFixed(1)} ${y(base).toFixed(1)}`).reverse().join("L");
    const color = colors[i % colors.length];
    return `<path d="M${upper}L${lower}Z" fill="${color}" fill-opacity="${stacked ? 0.5 : 0.08}"/><path d="M${upper}" fill="none" stroke="${color}" stroke-width="1.3"/>`;
  });
  const legend = shapes.map(({ name }, i) => `<span><i style="background:${colors[i % colors.length]}"></i>${escape(name)}</span>`);
  return `<svg width="${width}" height="${height}">${grid.join("")}${times.join("")}${drawn.join("")}</svg><p class="legend">${legend.join(" ")}</p>`;
}

function drawStat(panel, series) {
  const value = series[0].points.at(-1)[1];
  const { thresholds, mappings } = panel.fieldConfig.defaults;
  const step = thresholds?.steps.filter((s) => s.value === null || value >= s.value).at(-1);
  const color = { green: "#299c46", orange: "#c15c17", red: "#c4162a" }[step?.color] ?? "#1f60c4";
  const text = mappings?.[0].options[value]?.text ?? format(panel, value);
  return `<p class="stat" style="color:${color}">${escape(text)}</p>`;
}

function drawTable(panel, series) {
  const hidden = panel.transformations[0].options.excludeByName;
  const names = [...new Set(series.flatMap(({ labels }) => Object.keys(labels)))].filter((name) => !hidden[name]);
  const cells = (tag, texts) => `<tr>${texts.map((text) => `<${tag}>${escape(text)}</${tag}>`).join("")}</tr>`;
  return `<table>${cells("th", names)}${series.map(({ labels }) => cells("td", names.map((name) => labels[name] ?? ""))).join("")}</table>`;
}

async function draw(panel) {
  const { x, y, w, h } = panel.gridPos;
  const place = `left:${x * column}px;top:${y * line}px;width:${w * column - 6}px;height:${h * line - 6}px`;
  if (panel.type === "row") return `<h2 style="${place}">${escape(panel.title)}</h2>`;
  const series = await load(panel);
  const [width, height] = [w * column - 24, h * line - 34 - 17 * Math.min(3, Math.ceil((series.length * 110) / (w * column)))];
  const content = { timeseries: () => drawLines(panel, series, width, height), stat: () => drawStat(panel, series), table: () => drawTable(panel, series) }[panel.type]();
  return `<section style="${place}"><h3>${escape(panel.title)}</h3>${content}</section>`;
}

const style = `body { margin: 0; background: #f4f5f5; font: 12px sans-serif; color: #222; position: relative }
section, h2 { position: absolute; overflow: hidden; box-sizing: border-box; margin: 3px }
section { background: #fff; border: 1px solid #ddd; border-radius: 3px; padding: 5px 8px }
h2 { font-size: 15px; padding-top: 6px } h3 { font-size: 12px; margin: 0 0 3px } svg text { font-size: 10px; fill: #555 }
.stat { font-size: 28px; font-weight: bold; margin: 18px 0; text-align: center }
.legend { margin: 1px 0; line-height: 16px; font-size: 11px } .legend span { margin-right: 8px; white-space: nowrap }
.legend i { display: inline-block; width: 10px; height: 4px; margin: 0 4px 3px 0 } td, th { text-align: left; padding: 1px 12px 1px 0 }`;

const drawings = [];
for (const panel of board.panels) drawings.push(await draw(panel));
const height = Math.max(...board.panels.map(({ gridPos }) => gridPos.y + gridPos.h)) * line + 6;
const browser = await launch();
const page = await browser.newPage({ viewport: { width: 24 * column + 6, height } });
await page.setContent(`<!doctype html><title>jwtd</title><style>${style}</style><body style="height:${height}px">${drawings.join("")}`);
await page.screenshot({ path: picture });
await browser.close();
console.log(`${picture}: ${board.panels.length} panels`);
