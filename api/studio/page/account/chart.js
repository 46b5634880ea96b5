// Draws bars by day as SVG. Knows nothing of usage: it gets days, series of numbers, and the words for them.

import { h } from "../js/dom.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 220;
const [LEFT, RIGHT, TOP, BOTTOM] = [64, 6, 10, 24];
const LABEL_PX = 64; // room that the name of a day needs
export const MOST_SERIES = 6;

/**
 * Returns a figure with stacked bars. `days` are names, `series` are `{ name, values }` with a value for each day,
 * `tell(value)` writes a value, `label` tells screen readers all in a sentence, and `readout(index)` one day.
 */
export function barChart({ days, series, tell, label, readout }) {
  const drawing = svg("svg", { role: "img", "aria-label": label, class: "bars" });
  const told = h("p", { class: "readout small quiet", "aria-hidden": "true" }, " ");
  const figure = h("figure", { class: "chart" }, drawing, told, series.length > 1 ? legend(series) : null);
  let width = 0;

  function draw() {
    width = Math.round(drawing.parentElement?.clientWidth || 0);
    if (!width) return;
    for (const [name, value] of Object.entries({ width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}` })) drawing.setAttribute(name, value);
    drawing.replaceChildren(...grid(width, topOf(days, series), tell), ...bars(width, days, series), ...names(width, days));
  }

  function look(event) {
    const place = Math.floor(((event.clientX - drawing.getBoundingClientRect().left - LEFT) / (width - LEFT - RIGHT)) * days.length);
    const index = Math.min(days.length - 1, Math.max(0, place));
    told.textContent = readout(index);
    for (const each of drawing.querySelectorAll("g.day")) each.classList.toggle("seen", each.dataset.day === String(index));
  }

  drawing.addEventListener("pointermove", look);
  drawing.addEventListener("pointerdown", look);
  new ResizeObserver(() => drawing.parentElement.clientWidth !== width && draw()).observe(figure);
  return figure;
}

/** Returns the round number at or above the largest sum of a day, so that the steps of the axis are round too. */
export function topOf(days, series) {
  const most = Math.max(0, ...days.map((_, day) => series.reduce((sum, { values }) => sum + values[day], 0)));
  if (!most) return 1;
  const size = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 4, 5, 8, 10].find((step) => step * size >= most) * size;
}

function grid(width, top, tell) {
  return [0, 0.5, 1].map((share) => {
    const y = TOP + (1 - share) * (HEIGHT - TOP - BOTTOM);
    const line = svg("line", { x1: LEFT, x2: width - RIGHT, y1: y, y2: y, class: "rule" });
    const text = svg("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" });
    text.textContent = tell(share * top);
    return svg("g", {}, line, text);
  });
}

function bars(width, days, series) {
  const top = topOf(days, series);
  const room = (width - LEFT - RIGHT) / days.length;
  const bar = Math.max(1, Math.min(40, room * 0.72));
  return days.map((_, day) => {
    let y = HEIGHT - BOTTOM;
    const parts = series.map(({ values }, place) => {
      const height = (values[day] / top) * (HEIGHT - TOP - BOTTOM);
      y -= height;
      return height ? svg("rect", { x: LEFT + day * room + (room - bar) / 2, y, width: bar, height: Math.max(1, height), rx: bar > 6 ? 1.5 : 0, class: `series-${place}` }) : null;
    });
    const column = svg("rect", { x: LEFT + day * room, y: TOP, width: room, height: HEIGHT - TOP - BOTTOM, class: "column" });
    return svg("g", { class: "day", "data-day": day }, column, ...parts.filter(Boolean));
  });
}

/** Returns the names of as many days as fit, with equal distances, and the last one among them. */
function names(width, days) {
  const room = (width - LEFT - RIGHT) / days.length;
  const every = Math.max(1, Math.ceil(LABEL_PX / room));
  return days.flatMap((day, index) => {
    if ((days.length - 1 - index) % every) return [];
    const x = Math.min(LEFT + (index + 0.5) * room, width - RIGHT - 20);
    const text = svg("text", { x, y: HEIGHT - 6, "text-anchor": "middle" });
    text.textContent = day;
    return [text];
  });
}

function legend(series) {
  return h("ul", { class: "legend", "aria-hidden": "true" }, series.map(({ name }, place) => h("li", {}, h("span", { class: `swatch series-${place}` }), name)));
}

function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}
