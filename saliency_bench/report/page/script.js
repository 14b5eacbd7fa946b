"use strict";

document.documentElement.classList.add("live");

// What stands for the same explainer in the table, in the contents and among the cards.
const named = (name) => document.querySelectorAll(`[data-name="${CSS.escape(name)}"]`);

// A link to a part that is folded unfolds it.
for (const link of document.querySelectorAll('a[href^="#"]')) {
  link.addEventListener("click", () => {
    const folded = document.querySelector(link.hash)?.closest("details");
    if (folded) folded.open = true;
  });
}

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
    for (const row of [...table.tBodies[0].rows]) {
      for (const one of named(row.dataset.name)) one.parentElement.append(one);
    }
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
      const called = row.dataset.name.toLowerCase().includes(name);
      const judged = !verdict || row.dataset.verdicts.split("|").includes(verdict);
      for (const one of named(row.dataset.name)) one.hidden = !(called && judged);
      shown += called && judged;
    }
    told.textContent = `${shown} of ${rows.length} rows`;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
}

// A slider shows one stage of the maps beside it, and thumbnails one of the images.
for (const maps of document.querySelectorAll(".maps")) {
  const slider = maps.querySelector(".slider input");
  const strips = [...maps.querySelectorAll(".strip")];
  const show = () => {
    for (const map of maps.querySelectorAll(".stage")) {
      map.classList.toggle("on", map.dataset.stage === slider.value);
    }
    const name = maps.querySelector(".stage.on figcaption").textContent;
    maps.querySelector("output").textContent = name;
    slider.setAttribute("aria-valuetext", name);
  };
  if (slider) {
    slider.addEventListener("input", show);
    show();
  }
  const buttons = strips.map((strip) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(strip.querySelector("img").cloneNode());
    button.addEventListener("click", () => choose(strip));
    return button;
  });
  const choose = (chosen) => {
    strips.forEach((strip, i) => {
      strip.classList.toggle("on", strip === chosen);
      buttons[i].setAttribute("aria-pressed", strip === chosen);
    });
  };
  maps.querySelector(".choose").append(...buttons);
  choose(strips[0]);
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
    for (const name of ["across", "up"]) {
      const chosen = axes[name].selectedOptions[0].textContent;
      scatter.querySelector(`#scatter-${name}`).textContent = chosen;
    }
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
