(() => {
  "use strict";
  const charts = JSON.parse(document.getElementById("charts-data").textContent);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const lineColour = (i) => () => colour("--c" + (i % 8 + 1));
  const clock = (t) => new Date(t * 1000).toISOString().slice(11, 19);
  const tick = (chart) => chart.names ? (t) => "#" + t.toLocaleString("en") : clock;
  const place = (chart) => chart.names ? (t) => chart.names[Math.round(t)] : clock;
  const wholeRuns = [1, 2, 5].flatMap((n) => [0, 1, 2, 3, 4, 5].map((power) => n * 10 ** power)).sort((a, b) => a - b);
  const plots = [];

  const value = (chart) => (u, v) => v == null ? "–" :
    v.toLocaleString("en", {maximumFractionDigits: Math.abs(v) < 10 ? 3 : 1}) + (chart.unit ? " " + chart.unit : "");

  function grey(chart) {
    return (u) => {
      const {left, top, width, height} = u.bbox;
      u.ctx.save();
      u.ctx.fillStyle = colour("--rule");
      u.ctx.globalAlpha = 0.55;
      for (const [from, to] of chart.unscored) {
        const a = Math.max(left, u.valToPos(from, "x", true));
        const b = Math.min(left + width, u.valToPos(to, "x", true));
        if (b > a) u.ctx.fillRect(a, top, b - a, height);
      }
      u.ctx.restore();
    };
  }

  function limits(chart) {
    return (u) => {
      const {left, width} = u.bbox, scale = devicePixelRatio || 1;
      u.ctx.save();
      u.ctx.strokeStyle = u.ctx.fillStyle = colour("--fail");
      u.ctx.lineWidth = scale;
      u.ctx.setLineDash([6 * scale, 4 * scale]);
      u.ctx.font = 11 * scale + "px system-ui, sans-serif";
      u.ctx.textBaseline = "alphabetic";
      const named = [];
      for (const limit of chart.limits) {
        if (limit.value > chart.max) continue;
        const y = u.valToPos(limit.value, "y", true);
        const crowded = named.some((at) => Math.abs(at - y) < 13 * scale);
        named.push(y);
        u.ctx.beginPath();
        u.ctx.moveTo(left, y);
        u.ctx.lineTo(left + width, y);
        u.ctx.stroke();
        u.ctx.textAlign = crowded ? "left" : "right";
        const x = crowded ? left + 4 * scale : left + width - 4 * scale;
        u.ctx.save();
        u.ctx.setLineDash([]);
        u.ctx.strokeStyle = colour("--card");
        u.ctx.lineWidth = 3 * scale;
        u.ctx.strokeText(limit.name, x, y - 4 * scale);
        u.ctx.restore();
        u.ctx.fillText(limit.name, x, y - 4 * scale);
      }
      u.ctx.restore();
    };
  }

  function marks(chart) {
    return (u) => {
      const {left, top, width, height} = u.bbox, scale = devicePixelRatio || 1;
      u.ctx.save();
      u.ctx.lineWidth = scale;
      for (const mark of chart.marks || []) {
        const x = u.valToPos(mark.at, "x", true);
        if (x < left || x > left + width) continue;
        u.ctx.strokeStyle = colour(mark.weak ? "--muted" : "--fg");
        u.ctx.setLineDash((mark.weak ? [1, 5] : [3, 3]).map((n) => n * scale));
        u.ctx.beginPath();
        u.ctx.moveTo(x, top);
        u.ctx.lineTo(x, top + height);
        u.ctx.stroke();
      }
      u.ctx.restore();
    };
  }

  function options(chart, width, reset) {
    const axis = {stroke: () => colour("--muted"), grid: {stroke: () => colour("--rule"), width: 1}, ticks: {show: false}, font: "11px system-ui, sans-serif"};
    const first = chart.times[0], last = chart.times[chart.times.length - 1];
    return {
      width, height: 200,
      tzDate: (t) => uPlot.tzDate(new Date(t * 1000), "Etc/UTC"),
      cursor: {sync: {key: "time"}, drag: {x: true, y: false}},
      scales: {x: {time: !chart.names}, y: {range: [chart.min || 0, chart.max]}},
      axes: [
        {...axis, grid: {show: false}, space: 70, ...(chart.names ? {incrs: wholeRuns} : {}), values: (u, at) => at.map(tick(chart))},
        {...axis, size: 56, splits: () => chart.ticks, values: (u, at) => at.map((v) => v.toLocaleString("en", {minimumFractionDigits: chart.decimals, maximumFractionDigits: chart.decimals}))},
      ],
      series: [{label: chart.names ? "Run" : "Time", value: (u, t) => t == null ? "–" : place(chart)(t)}].concat(chart.lines.map((line, i) => ({
        label: line.name, stroke: line.baseline ? () => colour("--muted") : lineColour(i), width: 1.6, points: {show: false}, value: value(chart), dash: line.baseline || i >= 8 ? [4, 3] : undefined,
      }))),
      hooks: {
        drawClear: [grey(chart)],
        draw: [limits(chart), marks(chart)],
        setScale: [(u, key) => { if (key === "x") reset.hidden = u.scales.x.min <= first && u.scales.x.max >= last; }],
      },
    };
  }

  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const chart = charts[figure.dataset.chart];
    const place = figure.querySelector(".plot"), reset = figure.querySelector(".reset");
    const plot = new uPlot(options(chart, place.clientWidth, reset), [chart.times, ...chart.lines.map((l) => l.values)], place);
    reset.addEventListener("click", () => plot.setScale("x", {min: chart.times[0], max: chart.times[chart.times.length - 1]}));
    figure.classList.add("live");
    plots.push([plot, place]);
  }

  const redraw = () => { for (const [plot] of plots) plot.redraw(false, true); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("resize", () => {
    for (const [plot, place] of plots) if (place.clientWidth > 0) plot.setSize({width: place.clientWidth, height: 200});
  });

  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const code = button.closest(".source").querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Selected: press Ctrl+C";
      }
    });
  }
})();
