"use strict";
(() => {
  const byId = (name) => document.getElementById(name);
  const root = document.documentElement;

  const themes = ["automatic", "light", "dark"];
  const button = byId("theme");
  let theme = 0;
  button.hidden = false;
  button.addEventListener("click", () => {
    theme = (theme + 1) % themes.length;
    button.textContent = "Theme: " + themes[theme];
    if (theme) root.dataset.theme = themes[theme];
    else delete root.dataset.theme;
  });

  const table = byId("table");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const controls = byId("controls");
  const search = byId("search");
  const shown = byId("shown");
  const texts = new Map();
  document.body.classList.remove("no-script");
  controls.hidden = false;

  const textOf = (row) => {
    if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
    return texts.get(row);
  };
  const chosen = (name) => {
    const boxes = Array.from(controls.querySelectorAll(`input[name="${name}"]`));
    return boxes.length ? new Set(boxes.filter((box) => box.checked).map((box) => box.value)) : null;
  };
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const severities = chosen("severity");
    const scanners = chosen("scanner");
    const fixable = byId("fixable").checked;
    let count = 0;
    for (const row of rows) {
      const data = row.dataset;
      const visible =
        severities.has(data.severity) &&
        (!scanners || scanners.has(data.scanner)) &&
        (!fixable || data.fixable === "yes") &&
        words.every((word) => textOf(row).includes(word));
      row.hidden = !visible;
      count += visible;
    }
    shown.textContent = `${count} of ${rows.length} entries`;
  };
  let timer = 0;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(filter, 120);
  });
  controls.addEventListener("change", filter);
  controls.addEventListener("reset", () => setTimeout(filter));
  controls.addEventListener("submit", (event) => event.preventDefault());

  const collator = new Intl.Collator("en", { numeric: true });
  const sort = (header, key) => {
    const down = header.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const sign = down ? -1 : 1;
    const ranked = rows.map((row) => [row, row.dataset[key], row.dataset.rank]);
    ranked.sort((a, b) => sign * collator.compare(a[1], b[1]) || collator.compare(a[2], b[2]));
    body.append(...ranked.map((entry) => entry[0]));
  };
  for (const header of table.tHead.rows[0].cells) {
    const trigger = header.querySelector("button");
    trigger.addEventListener("click", () => sort(header, trigger.dataset.key));
  }

  for (const tile of document.querySelectorAll("a[data-path]")) {
    tile.addEventListener("click", () => {
      controls.reset();
      search.value = tile.dataset.path;
      setTimeout(filter);
    });
  }
})();
