"use strict";
// Adds a filter field and sortable headers to tables with `data-sift`; without it they stay as written.
const plain = (text) => text.toLowerCase().replace(/[\u00a0\u202f]/g, " ").replace(/\u2212/g, "-").replace(/_/g, " ");
const closed = (text) => text.replace(/(\d),(?=\d{3})/g, "$1");

// The sort key of a cell: currency and minor units, a number, or a text with its numbers as numbers.
const worth = (cell) => {
  const data = cell.querySelector("data");
  if (data) return { of: data.dataset.of || "", number: Number(data.value) };
  const text = plain(cell.textContent.trim());
  const number = Number(closed(text));
  return text === "" ? null : Number.isNaN(number) ? { text } : { of: "", number };
};
const order = (a, b) => {
  if ("number" in a && "number" in b) return a.of.localeCompare(b.of) || a.number - b.number;
  if ("text" in a && "text" in b) return a.text.localeCompare(b.text, undefined, { numeric: true });
  return "number" in a ? -1 : 1;
};

const sortable = (table, rows) => {
  const body = table.tBodies[0];
  const heads = Array.from(table.tHead.rows[0].cells);
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    while (head.firstChild) button.append(head.firstChild);
    head.append(button);
    button.addEventListener("click", () => {
      const next = { null: "ascending", ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (!next) return body.append(...rows); // the third click restores the order
      head.setAttribute("aria-sort", next);
      const worths = new Map(rows.map((row) => [row, worth(row.cells[column])]));
      const full = rows.filter((row) => worths.get(row)).sort((a, b) => order(worths.get(a), worths.get(b)));
      if (next === "descending") full.reverse();
      return body.append(...full, ...rows.filter((row) => !worths.get(row)));
    });
  });
};

const filterable = (table, rows) => {
  const field = document.createElement("input");
  field.type = "search";
  field.className = "sift";
  field.placeholder = "Filter " + table.dataset.sift;
  field.setAttribute("aria-label", field.placeholder);
  const result = document.createElement("output");
  result.className = "soft sifted";
  field.addEventListener("input", () => {
    const words = plain(field.value).split(/\s+/).filter(Boolean);
    let left = 0;
    for (const row of rows) {
      const text = plain(row.textContent);
      const bare = closed(text);
      row.hidden = !words.every((word) => text.includes(word) || bare.includes(word));
      if (!row.hidden) left += 1;
    }
    result.value = !words.length ? "" : left ? left + " of " + rows.length : "nothing matches, of " + rows.length;
  });
  if (table.caption) table.caption.append(document.createElement("br"), field, result);
  else (table.closest(".scroll") || table).before(field, result);
};

for (const table of document.querySelectorAll("table[data-sift]")) {
  const rows = Array.from(table.tBodies[0].rows);
  if (rows.length < 2) continue;
  sortable(table, rows);
  filterable(table, rows);
}

// Only boxes that scroll take the focus of the tab key.
const stops = () => {
  for (const box of document.querySelectorAll(".scroll")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
};
addEventListener("resize", stops);
stops();
