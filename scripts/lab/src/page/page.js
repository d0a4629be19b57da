// Says so where a table is wider than its place: a scroll bar may be hidden until it is used.
const hints = () => {
  for (const scroll of document.querySelectorAll(".scroll")) {
    scroll.previousElementSibling.hidden = scroll.scrollWidth <= scroll.clientWidth;
  }
};
hints();
addEventListener("resize", hints);
// A command that is shown makes its table wider; this event does not bubble.
addEventListener("toggle", hints, true);

// Sorts the table by the column whose heading is clicked; a second click turns the order round.
for (const heading of document.querySelectorAll("th button")) {
  heading.addEventListener("click", () => {
    const cell = heading.parentElement, row = cell.parentElement, column = cell.cellIndex;
    const down = cell.getAttribute("aria-sort") === "ascending";
    for (const other of row.cells) other.removeAttribute("aria-sort");
    cell.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (line) => line.cells[column].dataset.value;
    const order = (one, other) => {
      const a = value(one), b = value(other);
      // What was not measured is last in either order.
      if (a === "" || b === "") return (a === "") - (b === "");
      const by = isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
      return down ? -by : by;
    };
    const body = row.closest("table").tBodies[0];
    body.append(...[...body.rows].sort(order));
  });
}
