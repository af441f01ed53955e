"use strict";
// Everything from the run is shown by textContent or as plotly's data, never as HTML.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const make = (tag, text, attributes = {}) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};

// ---- Figures: each is drawn when it comes into view, in the colours of the page.
const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 40rem)");
const drawn = new Map();
const config = {
  displaylogo: false,
  responsive: true,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
};

function dressed(figure) {
  const style = getComputedStyle(document.documentElement);
  const [front, soft, line] = ["--front", "--soft", "--line"].map((name) => style.getPropertyValue(name).trim());
  const axes = {};
  for (const key of Object.keys(figure.layout)) {
    if (/^[xy]axis\d*$/.test(key)) axes[key] = { ...figure.layout[key], gridcolor: line, zerolinecolor: line, linecolor: line };
  }
  const font = { ...(figure.layout.font || {}), color: front, family: "system-ui, sans-serif" };
  const modebar = { bgcolor: "rgba(0,0,0,0)", color: soft, activecolor: front };
  // On a narrow screen, a legend at the side would leave the panels no room.
  const legend = { ...(figure.layout.legend || {}), ...(narrow.matches ? { orientation: "h", yref: "container", y: 0, yanchor: "bottom" } : {}) };
  return { ...figure.layout, ...axes, legend, font, modebar, autosize: true, hovermode: "closest" };
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) draw(entry.target);
}, { rootMargin: "300px" });

function draw(plot) {
  seen.unobserve(plot);
  const figure = plot.figure;
  drawn.set(plot, figure);
  // The best lines contrast with the page: dark on a light one, light on a dark one.
  if (figure === data.parallel) figure.data[0].line.reversescale = !dark.matches;
  return Plotly.react(plot, figure.data, dressed(figure), config);
}

function show(plot, figure) {
  plot.figure = figure;
  plot.style.height = figure.layout.height ? `${figure.layout.height}px` : "";
  if (drawn.has(plot)) draw(plot);
  else seen.observe(plot);
}

for (const query of [dark, narrow]) query.addEventListener("change", () => { for (const plot of drawn.keys()) draw(plot); });

// ---- The points: one set of filters for the plot, the choices and the table.
const columns = data.table.columns;
const column = Object.fromEntries(columns.map((one) => [one.name, one]));
const kept = new Map();  // for each filtered axis, the codes that pass
let metric = null;  // the ranges of the metric that pass; null for all
let words = "";
let order = { name: data.by, falling: data.mode === "max" };
let rows = [];
let first = 0;
const PAGE = 50;

const shown = (one, row) => (one.texts ? one.texts[one.values[row]] : one.values[row]);

function filter() {
  const limits = [...kept].map(([name, codes]) => [column[name].values, codes]);
  const values = column[data.by].values;
  const texts = columns.filter((one) => one.texts);
  rows = [];
  for (let row = 0; row < data.table.rows; row++) {
    if (!limits.every(([codes, allowed]) => allowed.has(codes[row]))) continue;
    if (metric && !metric.some(([low, high]) => values[row] !== null && values[row] >= low && values[row] <= high)) continue;
    if (words && !texts.some((one) => one.texts[one.values[row]].toLowerCase().includes(words))) continue;
    rows.push(row);
  }
  sort();
}

function sort() {
  const { values } = column[order.name];
  const sign = order.falling ? -1 : 1;
  // Rows without a value come last in both directions.
  rows.sort((a, b) => {
    const [one, other] = [values[a], values[b]];
    if (one === null || other === null) return (one === null) - (other === null) || a - b;
    return sign * (one - other) || a - b;
  });
  first = 0;
  fill();
}

function fill() {
  const body = byId("leaderboard").tBodies[0];
  body.replaceChildren(...rows.slice(first, first + PAGE).map((row) => {
    const line = make("tr");
    for (const one of columns) {
      const value = shown(one, row);
      line.append(make("td", value === null ? "" : value, one.texts ? { title: value } : { class: "number" }));
    }
    return line;
  }));
  for (const head of byId("leaderboard").tHead.querySelectorAll("th")) {
    if (head.dataset.name === order.name) head.setAttribute("aria-sort", order.falling ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
  const whole = data.table.rows < data.table.of ? `, the best of ${data.table.of.toLocaleString("en")}` : "";
  const { lines, of } = data.parallel.layout.meta;
  const thin = lines < of ? ` The plot has ${lines.toLocaleString("en")} of them as lines: the best ${Math.floor(lines / 4)}, and others evenly down to the worst.` : "";
  const pruned = data.left_out ? ` The plot leaves out ${data.left_out.toLocaleString("en")} pruned points, whose losses are those of unfinished trainings.` : "";
  byId("count").textContent = `${rows.length.toLocaleString("en")} of ${data.table.rows.toLocaleString("en")} points are kept${whole}.${thin}${pruned}`;
  byId("range").textContent = rows.length ? `${first + 1} to ${Math.min(first + PAGE, rows.length)}` : "none";
  byId("before").disabled = first === 0;
  byId("after").disabled = first + PAGE >= rows.length;
}

function table() {
  const line = make("tr");
  for (const one of columns) {
    const head = make("th", undefined, { scope: "col" });
    head.dataset.name = one.name;
    const button = make("button", one.name, { type: "button", title: `Sort by ${one.name}` });
    button.addEventListener("click", () => {
      order = { name: one.name, falling: order.name === one.name && !order.falling };
      sort();
    });
    head.append(button);
    line.append(head);
  }
  byId("leaderboard").tHead.append(line);
  byId("before").addEventListener("click", () => { first -= PAGE; fill(); });
  byId("after").addEventListener("click", () => { first += PAGE; fill(); });
}

function facets() {
  const form = byId("facets");
  form.addEventListener("submit", (event) => event.preventDefault());
  const selects = new Map();
  for (const name of data.table.axes) {
    const label = make("label", name, { title: name });
    const select = make("select");
    select.append(make("option", "all", { value: "" }));
    column[name].texts.forEach((text, code) => select.append(make("option", text.slice(0, 60), { value: code })));
    select.addEventListener("change", () => {
      if (select.value === "") kept.delete(name);
      else kept.set(name, new Set([Number(select.value)]));
      metric = null;
      brush();
      filter();
    });
    selects.set(name, select);
    label.append(select);
    form.append(label);
  }
  const label = make("label", "text");
  const input = make("input", undefined, { type: "search", placeholder: "in any column" });
  input.addEventListener("input", () => { words = input.value.toLowerCase(); filter(); });
  label.append(input);
  const clear = make("button", "Clear", { type: "button" });
  clear.addEventListener("click", () => {
    kept.clear();
    metric = null;
    words = input.value = "";
    for (const select of selects.values()) select.value = "";
    brush();
    filter();
  });
  form.append(label, clear);
  return selects;
}

// The plot's dimensions are the varying axes and the metric, in an order that dragging changes.
const dimensions = data.parallel.layout.meta.axes;
const dimension = (name) => data.parallel.data[0].dimensions.find((one) => one.name === name);

function brush() {
  dimensions.forEach((name, position) => {
    const codes = kept.get(name);
    dimension(`axis ${position}`).constraintrange = codes && [...codes].map((code) => [code - 0.3, code + 0.3]);
  });
  dimension("metric").constraintrange = undefined;
  if (drawn.has(byId("parallel"))) draw(byId("parallel"));
}

function parallel(selects) {
  const plot = byId("parallel");
  plot.figure = data.parallel;
  seen.unobserve(plot);
  if (!dimensions.length) return plot.remove();
  // Show the table first: drawing thousands of lines takes a moment.
  requestAnimationFrame(() => setTimeout(() => draw(plot).then(() => listen(plot, selects))));
}

function listen(plot, selects) {
  plot.on("plotly_restyle", () => {
    kept.clear();
    const ranges = (name) => {
      const found = dimension(name).constraintrange;
      return found && found.length ? (Array.isArray(found[0]) ? found : [found]) : null;
    };
    dimensions.forEach((name, position) => {
      const found = ranges(`axis ${position}`);
      if (!found) return;
      const codes = column[name].texts.map((_, code) => code);
      kept.set(name, new Set(codes.filter((code) => found.some(([low, high]) => low <= code && code <= high))));
    });
    metric = ranges("metric");
    // The plot cuts the worst values of the metric at a limit; a range that reaches the limit includes all values beyond it.
    const { limit } = data.parallel.layout.meta;
    const near = 1e-6 * Math.abs(limit);
    if (metric) {
      metric = metric.map(([low, high]) =>
        data.mode === "max" ? [low <= limit + near ? -Infinity : low, high] : [low, high >= limit - near ? Infinity : high]);
    }
    for (const [name, select] of selects) {
      const codes = kept.get(name);
      select.value = codes && codes.size === 1 ? [...codes][0] : "";
    }
    filter();
  });
}

// ---- The rest of the page.
function section(part, number) {
  const id = `section-${number}`;
  const element = make("section", undefined, { id, "aria-labelledby": `${id}-title` });
  element.append(make("h2", part.title, { id: `${id}-title` }));
  for (const note of part.notes) element.append(make("p", note));
  if (part.choose && part.figures.length) {
    const label = make("label", "Show ");
    const select = make("select");
    part.figures.forEach(([title], position) => select.append(make("option", title.slice(0, 60), { value: position })));
    const plot = make("div", undefined, { class: "plot", role: "img", "aria-label": part.title });
    select.addEventListener("change", () => show(plot, part.figures[select.value][1]));
    label.append(select);
    element.append(label, plot);
    show(plot, part.figures[0][1]);
  } else if (part.figures.length) {
    const grid = make("div", undefined, { class: "figures" });
    for (const [title, figure] of part.figures) {
      const box = make("div");
      const plot = make("div", undefined, { class: "plot", role: "img", "aria-label": title });
      box.append(make("h3", title), plot);
      grid.append(box);
      show(plot, figure);
    }
    element.append(grid);
  }
  for (const [title, names, lines] of part.tables) {
    const box = make("div", undefined, { class: "scroll wide", tabindex: "0", role: "region", "aria-label": title });
    const grid = make("table");
    const head = make("tr");
    for (const name of names) head.append(make("th", name, { scope: "col" }));
    grid.append(make("thead"), make("tbody"));
    grid.tHead.append(head);
    for (const cells of lines) {
      const line = make("tr");
      for (const cell of cells) line.append(make("td", cell));
      grid.tBodies[0].append(line);
    }
    box.append(grid);
    element.append(make("h3", title), box);
  }
  for (const [title, text] of part.texts) element.append(make("h3", title), make("pre", text, { tabindex: "0" }));
  byId("sections").append(element);
  byId("contents").append(make("a", part.title, { href: `#${id}` }));
}

document.title = byId("title").textContent = data.title;
for (const [label, value, more] of data.cards) {
  const card = make("li", label);
  card.append(make("b", value), make("small", more));
  byId("cards").append(card);
}
byId("contents").append(make("a", "The points", { href: "#points" }));
table();
const selects = facets();
filter();
data.sections.forEach(section);
parallel(selects);

// A page that `sweep report --watch` serves reloads itself when the run has new results.
if (data.version) {
  setInterval(async () => {
    try {
      const answer = await fetch("version", { cache: "no-store" });
      if (answer.ok && (await answer.text()) !== data.version) location.reload();
    } catch { /* the server has ended; the page stays as it is */ }
  }, 3000);
}
