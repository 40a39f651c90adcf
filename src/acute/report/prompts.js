"use strict";
(() => {
  // The table of prompts: sort, find, open. Each row is followed by its detail row.
  const body = document.querySelector("#prompt-table tbody");
  const rows = [...body.querySelectorAll("tr.row")].map((row) => ({ row, more: row.nextElementSibling, text: null }));
  const find = document.getElementById("find");
  const found = document.getElementById("found");
  const more = document.getElementById("more");
  const FIRST = 50; // as many as the template leaves open
  let all = rows.length <= FIRST;

  const toggle = ({ row, more: detail }, open) => {
    row.querySelector(".open").setAttribute("aria-expanded", String(open));
    row.dataset.open = open ? "yes" : "";
    detail.hidden = !open || row.hidden;
  };
  const textOf = ({ row, more: detail }) => (row.dataset.prompt + " " + row.cells[0].textContent + " " +
    (detail.querySelector(".prompt")?.textContent ?? "")).toLowerCase();
  const isOpen = ({ row }) => row.dataset.open === "yes";
  const update = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let hits = 0;
    for (const item of rows) {
      if (words.length) item.text ??= textOf(item);
      const hit = words.every((word) => item.text.includes(word));
      const hidden = !hit || (!all && !words.length && hits >= FIRST);
      if (item.row.hidden !== hidden) item.row.hidden = hidden;
      item.more.hidden = hidden || !isOpen(item);
      hits += hit;
    }
    more.hidden = all || words.length > 0;
    found.textContent = words.length ? `${hits.toLocaleString("en")} of ${rows.length.toLocaleString("en")}` : "";
  };
  const key = ({ row }, what) => {
    if (what === "label") return row.querySelector(".label").textContent;
    const cell = row.querySelector(`[data-what="${what}"] data`);
    return cell ? Number(cell.value) : null;
  };
  const sort = (button) => {
    const heading = button.closest("th");
    const up = heading.getAttribute("aria-sort") !== "ascending";
    heading.parentElement.querySelectorAll("th").forEach((th) => th.setAttribute("aria-sort", "none"));
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    const keyed = rows.map((item) => [key(item, button.dataset.sort), item]);
    keyed.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null); // the unknown stays last
      return (up ? 1 : -1) * (typeof a === "string" ? a.localeCompare(b) : a - b);
    });
    rows.splice(0, rows.length, ...keyed.map(([, item]) => item));
    body.append(...rows.flatMap((item) => [item.row, item.more]));
    update();
  };
  const show = (prompt) => {
    const item = rows.find(({ row }) => row.dataset.prompt === prompt || (prompt && row.id === prompt));
    if (!item) return;
    if (item.row.hidden) { all = true; find.value = ""; update(); }
    toggle(item, true);
    rows.forEach(({ row }) => row.classList.toggle("shown", row === item.row));
    item.row.scrollIntoView({ block: "center" });
    item.row.querySelector(".open").focus({ preventScroll: true });
  };

  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr.row");
    const item = row && !String(getSelection()) && rows.find((candidate) => candidate.row === row);
    if (item) toggle(item, !isOpen(item));
  });
  document.querySelectorAll("[data-sort]").forEach((button) => button.addEventListener("click", () => sort(button)));
  find.addEventListener("input", update);
  more.addEventListener("click", () => { all = true; update(); });
  document.querySelectorAll("#costliest a").forEach((link) => link.addEventListener("click", (event) => {
    event.preventDefault();
    show(link.hash.slice(1));
  }));
  document.addEventListener("mark", (event) => show(event.detail)); // a click in a figure
  if (location.hash.startsWith("#prompt-")) show(location.hash.slice(1));
  update();
})();
