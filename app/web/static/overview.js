// The chart of the overview; its numbers are in the page, as a table too.
"use strict";
(() => {
  const place = document.getElementById("chart");
  const told = JSON.parse(place.dataset.chart);
  const tones = { delivered: "--ok", retrying: "--wait", failed: "--bad", skipped: "--calm" };
  let plot = null;
  const daily = told.data[0][1] - told.data[0][0] >= 86400;
  const written = (seconds) => {
    const text = new Date(seconds * 1000).toISOString();
    return daily || text.slice(11, 16) === "00:00" ? text.slice(5, 10) : text.slice(11, 16);
  };
  const draw = () => {
    plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
    plot = new uPlot({
      width: place.clientWidth,
      height: 260,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
      series: [
        { value: (_, at) => (at == null ? "–" : new Date(at * 1000).toISOString().slice(0, 16).replace("T", " ")) },
        ...told.outcomes.map((outcome, at) => ({
          label: told.names[at],
          stroke: colour(tones[outcome]),
          width: 2,
          dash: at > 1 ? [6, 3] : at > 0 ? [2, 3] : undefined,
          fill: outcome === "delivered" ? colour("--ok-ground") : undefined,
        })),
      ],
      axes: [{ ...axis, values: (_, times) => times.map(written) }, { ...axis, size: 60 }],
      scales: { y: { range: (_, low, high) => [0, Math.max(high, 4) * 1.05] } },
    }, told.data, place);
  };
  draw();
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: 260 })).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
