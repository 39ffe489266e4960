// Sorting and filtering for tables of class "sortable". Without it the tables are whole, newest first.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...body.rows];
  const text = rows.map((row) => row.textContent.toLowerCase());
  const chosen = new Map();
  let wanted = "";

  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.sort === undefined ? cell.textContent : Number(cell.dataset.sort);
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    // Cells without a number come after those with one.
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return a < b ? -1 : a > b ? 1 : 0;
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = rows.map((row) => [value(row, column), row]);
      keyed.sort((a, b) => (down ? compare(b[0], a[0]) : compare(a[0], b[0])));
      body.append(...keyed.map(([, row]) => row));
    });
  });

  const controls = document.createElement("div");
  controls.className = "controls";
  controls.setAttribute("role", "search");
  controls.setAttribute("aria-label", `Filter: ${table.dataset.title}`);
  const label = (name, control) => {
    const element = document.createElement("label");
    element.append(name, control);
    controls.append(element);
  };
  const count = document.createElement("output");
  const show = () => {
    let shown = 0;
    rows.forEach((row, index) => {
      const fits = text[index].includes(wanted) &&
        [...chosen].every(([column, choice]) => choice === "" || row.cells[column].textContent === choice);
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    count.textContent = `${shown} of ${rows.length} shown`;
  };
  const search = document.createElement("input");
  search.type = "search";
  search.addEventListener("input", () => { wanted = search.value.toLowerCase(); show(); });
  label("search", search);
  heads.forEach((head, column) => {
    if (!("filter" in head.dataset)) return;
    const select = document.createElement("select");
    select.append(new Option("all", ""));
    const choices = new Set(rows.map((row) => row.cells[column].textContent));
    for (const choice of [...choices].sort()) select.append(new Option(choice, choice));
    select.addEventListener("change", () => { chosen.set(column, select.value); show(); });
    label(head.textContent, select);
  });
  controls.append(count);
  if (rows.length > 5) table.parentElement.before(controls);
  show();
}
