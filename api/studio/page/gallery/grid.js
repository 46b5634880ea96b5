// A grid of thousands of pictures of which only those near the window are in the document, at most 300.

import { thumbnail } from "../js/api.js";
import { h } from "../js/dom.js";
import { statusWord, t } from "../js/words.js";

const MOST_TILES = 300;
const GAP = 8;
const [MOST_TRIES, RETRY_MS] = [3, 1500];
const AHEAD_PX = 900; // pictures so far above and below the window are in the document
const FRAME_MS = 6; // so long may new tiles be made in one frame; the others follow in the next one
const MORE_PX = 2400; // closer to the end than this, more pictures are asked for

/** Returns the grid: `element`, `set(items)`, `close`. `onNearEnd()` asks for more items. */
export function pictureGrid(onNearEnd) {
  let items = [];
  let [columns, side, pending] = [1, 160, false];
  const tiles = new Map();
  const element = h("ul", { class: "grid", "aria-label": t("gallery.grid"), onkeydown: moveFocus });
  const resized = new ResizeObserver(layOut);
  resized.observe(element);
  window.addEventListener("scroll", soon, { passive: true });

  function set(found) {
    items = found;
    layOut();
  }

  function layOut() {
    const width = element.clientWidth;
    const wanted = width < 520 ? 110 : 168;
    columns = Math.max(2, Math.floor((width + GAP) / (wanted + GAP)));
    side = (width - GAP * (columns - 1)) / columns;
    element.style.height = `${Math.max(0, Math.ceil(items.length / columns) * (side + GAP) - GAP)}px`;
    for (const [place, tile] of tiles) {
      if (tile.item === items[place]) position(tile.element, place);
    }
    soon();
  }

  function soon() {
    if (pending) return;
    pending = true;
    requestAnimationFrame(paint);
  }

  /** Takes tiles far from the window out of the document and puts those near it in, the visible ones first. */
  function paint() {
    pending = false;
    const top = -element.getBoundingClientRect().top;
    const height = element.offsetHeight;
    const seen = placesBetween(top, top + innerHeight);
    const near = placesAround(seen, top);
    for (const [place, tile] of tiles) {
      if (place < near.first || place >= near.last || tile.item !== items[place]) {
        tile.element.remove();
        tiles.delete(place);
      }
    }
    const ends_at = performance.now() + FRAME_MS;
    putAll(seen, Infinity);
    if (!putAll(near, ends_at)) soon();
    if (height - top - innerHeight < MORE_PX) onNearEnd();
  }

  /** Returns the places of the pictures between two heights inside the grid: `first`, and `last` behind the last one. */
  function placesBetween(top, bottom) {
    const row = side + GAP;
    const first = Math.max(0, Math.floor(top / row)) * columns;
    return { first, last: Math.max(first, Math.min(items.length, Math.ceil(bottom / row) * columns)) };
  }

  /** Returns the places near the window, of which there are at most 300: as many above the visible ones as below them. */
  function placesAround(seen, top) {
    const spare = Math.max(0, MOST_TILES - (seen.last - seen.first));
    const near = placesBetween(top - AHEAD_PX, top + innerHeight + AHEAD_PX);
    const first = Math.max(near.first, seen.first - Math.floor(spare / 2));
    return { first, last: Math.min(near.last, first + MOST_TILES) };
  }

  /** Makes the tiles that are missing at these places until a time. Returns whether all are there. */
  function putAll({ first, last }, ends_at) {
    for (let place = first; place < last; place++) {
      if (tiles.has(place)) continue;
      if (performance.now() > ends_at) return false;
      put(place);
    }
    return true;
  }

  /** Puts a tile into the document, in order for Tab. */
  function put(place) {
    const tile = { item: items[place], element: tileOf(items[place]) };
    position(tile.element, place);
    tiles.set(place, tile);
    element.insertBefore(tile.element, follower(place));
  }

  /** Returns the tile in the document that comes after a place; null if none does. */
  function follower(place) {
    if (tiles.has(place + 1)) return tiles.get(place + 1).element;
    if (tiles.has(place - 1)) return tiles.get(place - 1).element.nextSibling;
    const later = [...tiles.keys()].filter((other) => other > place);
    return later.length ? tiles.get(Math.min(...later)).element : null;
  }

  function position(tile, place) {
    const [x, y] = [place % columns, Math.floor(place / columns)];
    Object.assign(tile.style, { width: `${side}px`, height: `${side}px`, transform: `translate(${x * (side + GAP)}px, ${y * (side + GAP)}px)` });
    tile.setAttribute("aria-posinset", String(place + 1));
    tile.setAttribute("aria-setsize", String(items.length));
  }

  /** Moves the focus by arrow keys, also to pictures that are not in the document yet. */
  function moveFocus(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -Infinity, End: Infinity };
    const from = Number(event.target.closest("li")?.getAttribute("aria-posinset")) - 1;
    if (!(event.key in steps) || Number.isNaN(from)) return;
    event.preventDefault();
    const to = Math.min(items.length - 1, Math.max(0, from + steps[event.key]));
    const y = element.getBoundingClientRect().top + Math.floor(to / columns) * (side + GAP);
    if (y < 80) window.scrollBy(0, y - 80);
    else if (y + side > innerHeight) window.scrollBy(0, y + side - innerHeight + 24);
    paint();
    if (!tiles.has(to) && items[to]) put(to);
    tiles.get(to)?.element.firstChild.focus();
  }

  function close() {
    resized.disconnect();
    window.removeEventListener("scroll", soon);
  }

  return { element, set, close };
}

/** Returns a thumbnail that is asked for again a few times: while many are made at once, the service is busy. */
function face({ id, index, prompt }) {
  let tries = 0;
  const image = h("img", { src: thumbnail(id, index), alt: t("gallery.tileAlt", { prompt }), loading: "lazy", decoding: "async" });
  image.addEventListener("error", () => {
    if (++tries <= MOST_TRIES) setTimeout(() => (image.src = thumbnail(id, index)), tries * RETRY_MS);
  });
  return image;
}

function tileOf(item) {
  const { id, index, prompt, status, hasPicture } = item;
  const shown = hasPicture
    ? face(item)
    : h("span", { class: "none" }, h("span", {}, statusWord(status)), h("span", { class: "for-readers" }, prompt));
  return h("li", { class: "tile" }, h("a", { href: `#gallery/${id}/${index}`, title: prompt }, shown));
}
