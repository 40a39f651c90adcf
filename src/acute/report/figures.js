"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figure-data").textContent);
  const plots = [...document.querySelectorAll(".plot")];
  const root = document.documentElement;

  // A colour is written "@name"; the style sheet says what it is, so that dark mode and print follow.
  const coloured = (part, palette) => {
    if (typeof part === "string" && part[0] === "@") return palette.getPropertyValue("--" + part.slice(1)).trim() || part;
    if (Array.isArray(part)) return part.map((item) => coloured(item, palette));
    if (part === null || typeof part !== "object") return part;
    return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, coloured(value, palette)]));
  };
  // A heat map names its rows and columns once; written out for every pair they would be megabytes.
  const named = (trace) => trace.meta?.names
    ? { ...trace, customdata: trace.meta.names.map((row) => trace.meta.names.map((column) => [row, column])) } : trace;
  const figureOf = (plot) => {
    const figure = coloured(figures[plot.dataset.figure], getComputedStyle(root));
    return { ...figure, data: figure.data.map(named) };
  };

  const coarse = matchMedia("(pointer: coarse)").matches || innerWidth < 700;
  const config = { responsive: true, displaylogo: false, displayModeBar: false, doubleClick: "reset" };

  const draw = (plot, width) => {
    const { data, layout } = figureOf(plot);
    layout.dragmode = coarse ? false : "zoom"; // a finger that scrolls must not zoom
    const entries = data.filter((trace) => trace.name && trace.showlegend !== false).length;
    if (innerWidth < 700) layout.height += 18 * Math.max(0, entries - 4); // a long legend stands in one column
    if (width) Object.assign(layout, { width, autosize: false });
    Plotly.react(plot, data, layout, width ? { ...config, responsive: false } : config);
    if (!plot.dataset.drawn) {
      plot.on("plotly_click", (event) =>
        document.dispatchEvent(new CustomEvent("mark", { detail: event.points[0].customdata })));
    }
    plot.dataset.drawn = "yes";
  };

  // The first screen first; the others one at a time, whenever the page has nothing else to do.
  const idle = window.requestIdleCallback ?? setTimeout;
  const drawRest = () => {
    const plot = plots.find((candidate) => !candidate.dataset.drawn);
    if (plot) { draw(plot); idle(drawRest); }
  };
  if (plots.length) { draw(plots[0]); idle(drawRest); }

  const redraw = () => plots.filter((plot) => plot.dataset.drawn).forEach((plot) => draw(plot));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    if (!root.dataset.theme) redraw(); // a page being printed keeps the colours of paper
  });
  addEventListener("beforeprint", () => {
    root.dataset.theme = "print";
    plots.forEach((plot) => draw(plot, plot.closest(".grid") ? 330 : 660));
  });
  addEventListener("afterprint", () => { delete root.dataset.theme; redraw(); });

  document.querySelectorAll("[data-save]").forEach((button) => button.addEventListener("click", () => {
    const plot = button.closest("figure").querySelector(".plot");
    root.dataset.theme = "print"; // the colours of paper, whatever the screen has
    const { data, layout } = figureOf(plot);
    delete root.dataset.theme;
    Plotly.downloadImage({ data, layout: { ...layout, paper_bgcolor: "#fff" } }, {
      format: button.dataset.save, filename: plot.dataset.figure, width: 640, height: layout.height, scale: 2,
    });
  }));
})();
