"use strict";

// Sorting: a number where there is one, else the text; rows without either come last.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const table = head.closest("table");
    const column = [...head.parentElement.children].indexOf(head);
    const rising = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const value = (row) => row.children[column].dataset.value;
    const compared = (one, two) => {
      const [a, b] = [value(one), value(two)];
      if (a === "" || b === "") return (a === "") - (b === "");
      const numbers = Number(a) - Number(b);
      const order = Number.isNaN(numbers) ? a.localeCompare(b) : numbers;
      return rising ? order : -order;
    };
    for (const body of table.tBodies) body.append(...[...body.rows].sort(compared));
  });
}

// Filtering by name and verdict.
const form = document.querySelector("#filter");
if (form) {
  const rows = [...document.querySelectorAll("#matrix tbody tr")];
  const told = document.querySelector("#shown");
  const filter = () => {
    const name = form.elements.name.value.toLowerCase();
    const verdict = form.elements.verdict.value;
    let shown = 0;
    for (const row of rows) {
      const named = row.dataset.name.toLowerCase().includes(name);
      const judged = !verdict || row.dataset.verdicts.split("|").includes(verdict);
      row.hidden = !(named && judged);
      shown += !row.hidden;
    }
    told.textContent = `${shown} of ${rows.length} rows`;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
}

// A slider shows one stage of the maps beside it.
for (const slider of document.querySelectorAll(".slider input")) {
  const card = slider.closest(".maps");
  const show = () => {
    for (const map of card.querySelectorAll(".stage")) {
      map.classList.toggle("on", map.dataset.stage === slider.value);
    }
    const name = card.querySelector(".stage.on").dataset.name;
    card.querySelector("output").textContent = name;
    slider.setAttribute("aria-valuetext", name);
  };
  slider.addEventListener("input", show);
  show();
}

// Two numbers of each explainer against each other.
const scatter = document.querySelector("#scatter");
if (scatter) {
  const points = [...scatter.querySelectorAll(".point")];
  const axes = scatter.querySelector("form").elements;
  const scaled = (numbers, from, to) => {
    const known = numbers.filter(Number.isFinite);
    const [low, high] = [Math.min(...known), Math.max(...known)];
    return numbers.map((n) => from + (to - from) * (high > low ? (n - low) / (high - low) : 0.5));
  };
  const place = () => {
    const of = (axis) => points.map((p) => Number(p.dataset.values.split("|")[axis.value]));
    const across = scaled(of(axes.across), 60, 520);
    const up = scaled(of(axes.up), 310, 25);
    points.forEach((point, i) => {
      const known = Number.isFinite(across[i]) && Number.isFinite(up[i]);
      point.setAttribute("visibility", known ? "visible" : "hidden");
      if (known) point.setAttribute("transform", `translate(${across[i]} ${up[i]})`);
    });
  };
  scatter.addEventListener("input", place);
  scatter.hidden = false;
  place();
}
