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

  // The names of bounds stand at the right of a plot, where no line goes through them: up to a
  // quarter of its width, in two lines if need be. The name of one above the axis says so.
  const limitFont = (size) => size + "px system-ui, sans-serif", limitLine = 13, nameGap = 5;
  function limitNames(chart, width) {
    const ctx = document.createElement("canvas").getContext("2d");
    ctx.font = limitFont(11);
    return [...chart.limits].sort((a, b) => b.value - a.value).map((limit) => {
      const name = limit.name + (limit.value > chart.max ? " ↑" : ""), at = name.search(/[<>≤≥=]/);
      const lines = at > 0 && ctx.measureText(name).width > width / 4 ? [name.slice(0, at).trim(), name.slice(at)] : [name];
      return {value: limit.value, lines, width: Math.min(width / 4, Math.max(...lines.map((line) => ctx.measureText(line).width)))};
    });
  }

  // Each name is as near to its line as those above and below it let it be. Names that there is no
  // room for are left out.
  function limits(chart, names) {
    return (u) => {
      const {left, top, width, height} = u.bbox, scale = devicePixelRatio || 1, step = limitLine * scale;
      u.ctx.save();
      u.ctx.strokeStyle = u.ctx.fillStyle = colour("--fail");
      u.ctx.lineWidth = scale;
      u.ctx.font = limitFont(11 * scale);
      u.ctx.textBaseline = "middle";
      u.ctx.textAlign = "left";
      let from = top, below = step * names.reduce((n, name) => n + name.lines.length, 0);
      for (const name of names) {
        const line = u.valToPos(Math.min(name.value, chart.max), "y", true), tall = step * name.lines.length;
        if (name.value <= chart.max) {
          u.ctx.setLineDash([6 * scale, 4 * scale]);
          u.ctx.beginPath();
          u.ctx.moveTo(left, line);
          u.ctx.lineTo(left + width, line);
          u.ctx.stroke();
        }
        const y = Math.max(from, Math.min(line - tall / 2, top + height - below));
        if (y + tall > top + height + 1) continue;
        name.lines.forEach((text, n) => u.ctx.fillText(text, left + width + nameGap * scale, y + (n + 0.5) * step, name.width * scale));
        from = y + tall;
        below -= tall;
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
    const names = limitNames(chart, width), beside = Math.max(0, ...names.map((name) => name.width));
    return {
      width, height: 200, padding: [null, beside ? beside + nameGap : null, null, null],
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
        draw: [limits(chart, names), marks(chart)],
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
