// The view Gallery: all pictures of the tenant, with filters, and each one large.

import { button, h, throttled } from "../js/dom.js";
import { onEvent, onGap } from "../js/events.js";
import { t } from "../js/words.js";
import { filterBar } from "./filters.js";
import { pictureGrid } from "./grid.js";
import { openLarge } from "./large.js";
import { PictureSource } from "./source.js";

const RENEW_MS = 2000;
const TOP_PX = 400;

export async function show(place, rest) {
  let source = null;
  let large = null;
  let isStale = false;
  const count = h("span", { class: "quiet" });
  const told = h("div", { class: "empty", hidden: true });
  const grid = pictureGrid(() => source?.more());
  const filters = filterBar({ batch: batchIn(rest) }, begin);
  const renew = throttled(() => {
    isStale = scrollY > TOP_PX; // new pictures would move what the person looks at
    if (!isStale) source.renew();
  }, RENEW_MS);
  const endings = [onEvent((type) => type.startsWith("job.") && renew()), onGap(renew)];
  const onScroll = () => isStale && scrollY <= TOP_PX && renew();
  window.addEventListener("scroll", onScroll, { passive: true });
  place.append(h("div", { class: "head" }, h("h1", {}, t("gallery.title")), count), filters.element, told, grid.element);
  begin();
  update(rest);

  function begin() {
    const mine = new PictureSource(filters.value, () => mine === source && paint());
    source = mine;
    grid.set([]);
    window.scrollTo(0, 0);
    source.more();
  }

  function paint() {
    const { items, isComplete, error } = source;
    grid.set(items);
    count.textContent = t(isComplete ? "gallery.count" : "gallery.countMore", { count: items.length });
    const isFiltered = Object.keys(source.filters).some((name) => name !== "show" || source.filters.show !== "pictures");
    told.hidden = items.length > 0 || (!isComplete && !error);
    if (error) told.replaceChildren(h("p", {}, error.message), button(t("common.retry"), () => source.more({ isAsked: true })));
    else told.replaceChildren(h("h2", {}, t(isFiltered ? "gallery.nothing" : "gallery.empty")), h("p", {}, isFiltered ? "" : t("gallery.emptyText")));
    if (!items.length && !isComplete && !error) source.more(); // a search that has found nothing yet goes on
  }

  /** Opens the picture of the address, `#gallery/job/index`, or closes it. */
  function update(parts) {
    const [id, index = "0"] = parts;
    if (batchIn(parts)) {
      filters.setBatch(batchIn(parts));
      return begin();
    }
    if (!id) return large?.close();
    if (large) return large.show({ id, index: Number(index) });
    large = openLarge(
      { id, index: Number(index) },
      {
        neighbour,
        onShow: (next) => history.replaceState(null, "", `#gallery/${next.id}/${next.index}`),
        onDeleted: (gone) => source.forget(gone),
        onClose() {
          large = null;
          if (location.hash.startsWith("#gallery/")) history.replaceState(null, "", "#gallery");
        },
      },
    );
    return undefined;
  }

  function neighbour({ id, index }, step) {
    const { items } = source;
    const here = items.findIndex((item) => item.id === id && item.index === index);
    return here < 0 ? null : (items[here + step] ?? null);
  }

  function close() {
    large?.close();
    grid.close();
    window.removeEventListener("scroll", onScroll);
    for (const end of endings) end();
  }

  return { close, update };
}

function batchIn([id]) {
  return id?.startsWith("batch_") ? id : null;
}
