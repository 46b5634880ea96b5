// Takes files that a person drops anywhere on the page. Without this, a browser would leave the page and show the file.

let taker = null;

/** Gives dropped files to `take(files)` while a view is shown, and marks `zone` meanwhile. Returns a function that ends it. */
export function onDrops(zone, take) {
  const mine = { zone, take };
  taker = mine;
  return () => {
    if (taker === mine) taker = null;
  };
}

for (const [type, isOver] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  document.addEventListener(type, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return; // such as text that a person drags into the prompt
    event.preventDefault();
    taker?.zone.classList.toggle("over", isOver);
    if (type === "drop") taker?.take(event.dataTransfer.files);
  });
}
