"use strict";
// Tables of `data-sift` get a field that filters their rows and headers that sort them; without this script they stand as they are.
for (const table of document.querySelectorAll("table[data-sift]")) {
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const worth = (row, column) => {
    const cell = row.cells[column];
    const data = cell.querySelector("data");
    const text = data ? data.value : cell.textContent.trim();
    const number = Number(text.replace(/[\s\u00a0\u202f]/g, ""));
    return text !== "" && !Number.isNaN(number) ? number : text;
  };
  const order = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a === typeof b) return a.localeCompare(b);
    return typeof a === "number" ? -1 : 1;
  };
  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    while (head.firstChild) button.append(head.firstChild);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const sorted = rows.slice().sort((a, b) => order(worth(a, column), worth(b, column)) * (down ? -1 : 1));
      body.append(...sorted);
    });
  });
  if (rows.length < 2) continue;
  const field = document.createElement("input");
  field.type = "search";
  field.className = "sift";
  field.placeholder = "Filter";
  field.setAttribute("aria-label", "Filter " + table.dataset.sift);
  const told = document.createElement("output");
  told.className = "soft sifted";
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      if (!row.hidden) left += 1;
    }
    told.value = words.length ? left + " of " + rows.length : "";
  });
  const place = table.closest(".scroll") || table;
  place.before(field, told);
}
