// The chart of the overview, and that of failures: the figures stand in the page as JSON, uPlot draws them in the page's colours.
"use strict";

(() => {
  const place = document.getElementById("chart");
  if (!place || typeof uPlot === "undefined") return;
  const given = JSON.parse(document.getElementById(place.dataset.from).textContent);
  // Line ends and dashes differ too: colour is not all that tells the lines apart.
  const looks = place.dataset.looks === "failures" ? [
    { colour: "--bad", dash: [] },
    { colour: "--busy", dash: [] },
    { colour: "--warn", dash: [6, 3] },
    { colour: "--doubt", dash: [2, 3] },
    { colour: "--idle", dash: [] },
  ] : [
    { colour: "--idle", dash: [] },
    { colour: "--good", dash: [] },
    { colour: "--bad", dash: [] },
    { colour: "--accent", dash: [6, 3] },
    { colour: "--doubt", dash: [2, 3] },
  ];
  const height = 260;
  // Where nobody points at the chart there is no moment to tell of.
  const moment = (at) => (at == null ? "" : new Date(at * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }));
  let chart = null;

  const draw = () => {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour("--soft"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1 },
      font: "12px system-ui, sans-serif",
    };
    if (chart) chart.destroy();
    chart = new uPlot(
      {
        width: place.clientWidth,
        height,
        cursor: { y: false, points: { size: 7 } },
        scales: { y: { range: (self, low, high) => [0, Math.max(high, 4)] } },
        axes: [
          {
            ...axis,
            space: 64,
            // Day before month, 24 hours: as every other time on these pages.
            values: [
              [86400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
              [3600, "{HH}:00", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
            ],
          },
          { ...axis, size: 48, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6, 1e7] },
        ],
        series: [
          { value: (self, at) => moment(at) },
          ...given.labels.map((label, at) => ({
            label,
            value: (self, count) => (count == null ? "" : count.toLocaleString()),
            stroke: colour(looks[at].colour),
            dash: looks[at].dash,
            width: 2,
            points: { show: false },
          })),
        ],
      },
      given.data,
      place,
    );
  };

  place.hidden = false;
  draw();
  new ResizeObserver(() => chart.setSize({ width: place.clientWidth, height })).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
