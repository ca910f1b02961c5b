"use strict";
// Without this script the pages lose nothing but the order of one's choice.
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  const words = new Intl.Collator("es", { numeric: true, sensitivity: "base" });
  const valueIn = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  const compare = {
    text: words.compare,
    number: (one, other) => Number(one) - Number(other),
  };

  const sort = (header, column) => {
    const down = header.getAttribute("aria-sort") === "ascending";
    const rows = [...body.rows].sort((one, other) => {
      const [a, b] = [valueIn(one, column), valueIn(other, column)];
      // What is not known comes last in both directions: it is neither little nor much.
      if (a === "" || b === "") return (a === "") - (b === "");
      return compare[header.dataset.sort](a, b) * (down ? -1 : 1);
    });
    for (const other of headers) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows);
  };

  headers.forEach((header, column) => {
    if (!header.dataset.sort) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sort(header, column));
  });
}
