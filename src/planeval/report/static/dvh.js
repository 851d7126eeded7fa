// The interactive DVH chart. The curves can be read without it, as vectors and in tables.
(() => {
  "use strict";
  const root = document.documentElement;
  const each = (selector, act) => document.querySelectorAll(selector).forEach(act);
  const source = document.getElementById("dvh-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const place = document.getElementById("dvh-live");
  const reading = document.getElementById("dvh-dose");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const last = data.doses[data.doses.length - 1];
  let absolute = false;
  let chart = null;

  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const colour = (series) => (dark.matches ? series.dark : series.light);
  const scaled = (series, percent) => (absolute ? (percent * series.cc) / 100 : percent);
  // A line shows where both its structure and its plan do.
  const structures = data.structures.map((structure) => structure.shown);
  const plans = data.plans.map((plan) => plan.shown);
  const shown = (series) => structures[series.structure] && plans[series.plan];

  const percentSplits = (_chart, _axis, low, high) => {
    const rough = ((high - low) / data.rx) * 100 / 8;
    const step = [1, 2, 5, 10, 20, 50, 100].find((size) => size >= rough) || 200;
    const found = [];
    for (let p = Math.ceil((low / data.rx) * 100 / step) * step; (p * data.rx) / 100 <= high; p += step) {
      found.push((p * data.rx) / 100);
    }
    return found;
  };

  const axes = () => {
    const base = { stroke: css("--ink"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line") } };
    const found = [
      { ...base, label: "Dose (Gy)", labelSize: 22 },
      { ...base, label: absolute ? "Volume (cc)" : "Volume (%)", size: 56, labelSize: 22 },
    ];
    if (data.rx) {
      found.push({
        ...base, scale: "x", side: 0, label: data.rxText, labelSize: 22, grid: { show: false },
        splits: percentSplits,
        values: (_chart, splits) => splits.map((gy) => String(Math.round((gy / data.rx) * 100))),
      });
    }
    return found;
  };

  // Limits: a triangle on the curve's dose and volume, pointing to the side the curve must stay on.
  const drawMarks = (u) => {
    const context = u.ctx;
    const size = 6 * devicePixelRatio;
    data.series.forEach((series) => {
      if (!shown(series)) return;
      for (const mark of series.marks) {
        const x = u.valToPos(Math.min(mark.gy, last), "x", true);
        const y = u.valToPos(scaled(series, mark.percent), "y", true);
        const tip = mark.below ? size : -size;
        context.save();
        context.beginPath();
        context.moveTo(x - size, y - tip);
        context.lineTo(x + size, y - tip);
        context.lineTo(x, y + tip * 0.6);
        context.closePath();
        context.setLineDash([]);
        context.lineWidth = 2 * devicePixelRatio;
        context.strokeStyle = colour(series);
        context.fillStyle = mark.hollow ? css("--paper") : colour(series);
        context.fill();
        context.stroke();
        context.restore();
      }
    });
  };

  const read = (gy) => {
    const valid = Number.isFinite(gy) && gy >= 0 && gy <= last;
    const at = valid ? (gy / last) * (data.doses.length - 1) : 0;
    const below = Math.min(Math.floor(at), data.doses.length - 2);
    data.series.forEach((series, index) => {
      const place = document.querySelector(`[data-readout="${index}"]`);
      const low = series.percent[below];
      const percent = low + (series.percent[below + 1] - low) * (at - below);
      const unit = absolute ? "cc" : "%";
      place.textContent = valid ? `${scaled(series, percent).toFixed(absolute ? 2 : 1)} ${unit}` : "";
    });
    const share = document.getElementById("dvh-share");
    share.textContent = valid && data.rx ? `= ${((gy / data.rx) * 100).toFixed(1)} ${data.rxText}` : "";
  };

  const values = () => [
    data.doses,
    ...data.series.map((series) => series.percent.map((percent) => scaled(series, percent))),
  ];

  const size = () => ({
    width: place.clientWidth,
    height: Math.max(280, Math.min(460, Math.round(place.clientWidth * 0.5))),
  });

  const build = () => {
    if (chart) chart.destroy();
    chart = new uPlot({
      ...size(),
      legend: { show: false },
      scales: {
        x: { time: false, range: (_u, low, high) => [Math.max(low, 0), high] },
        y: { range: (_u, _low, high) => [0, absolute ? (high || 1) * 1.02 : 102] },
      },
      axes: axes(),
      series: [
        {},
        ...data.series.map((series) => ({
          stroke: colour(series), width: series.width, dash: series.dash.length ? series.dash : undefined,
          points: { show: false }, show: shown(series),
        })),
      ],
      cursor: { points: { size: 7 } },
      hooks: {
        draw: [drawMarks],
        setCursor: [(u) => {
          if (u.cursor.left >= 0 && u.cursor.event) {
            const gy = Math.max(u.posToVal(u.cursor.left, "x"), 0);
            reading.value = gy.toFixed(2);
            read(gy);
          }
        }],
      },
    }, values(), place);
  };

  // Bring chart, printed chart and list into line with what is chosen.
  const refresh = () => {
    data.series.forEach((series, index) => {
      const on = shown(series);
      if (chart.series[index + 1].show !== on) chart.setSeries(index + 1, { show: on });
      each(`[data-line="${index}"]`, (part) => part.classList.toggle("off", !on));
    });
    structures.forEach((on, index) => {
      each(`[data-structure="${index}"]`, (part) => part.classList.toggle("off", !on));
    });
    plans.forEach((on, index) => {
      each(`[data-plan-part="${index}"]`, (part) => part.classList.toggle("gone", !on));
    });
  };

  const bind = (boxes, chosen) => boxes.forEach((box, index) => {
    box.addEventListener("change", () => {
      chosen[index] = box.checked;
      refresh();
    });
  });
  const boxes = [...document.querySelectorAll("input[data-toggle]")];
  const planBoxes = [...document.querySelectorAll("input[data-plan]")];
  bind(boxes, structures);
  bind(planBoxes, plans);

  const some = (index, holds) => data.series.some((one) => one.structure === index && holds(one));
  const groups = {
    all: () => true,
    none: () => false,
    targets: (index) => some(index, (one) => one.target),
    judged: (index) => some(index, (one) => one.judged),
    start: (index) => data.structures[index].shown,
  };
  each("button[data-group]", (button) => {
    button.addEventListener("click", () => {
      boxes.forEach((box, index) => {
        box.checked = groups[button.dataset.group](index);
        structures[index] = box.checked;
      });
      refresh();
    });
  });

  each("input[name=dvh-volume]", (choice) => {
    choice.addEventListener("change", () => {
      absolute = choice.value === "cc";
      build();
      read(parseFloat(reading.value));
    });
  });
  reading.addEventListener("input", () => {
    const gy = parseFloat(reading.value);
    read(gy);
    if (gy >= 0 && gy <= last) chart.setCursor({ left: chart.valToPos(gy, "x"), top: 0 }, false);
  });

  // A browser may restore boxes after a reload: they start as the page says.
  boxes.forEach((box, index) => { box.checked = structures[index]; });
  planBoxes.forEach((box, index) => { box.checked = plans[index]; });
  const relative = document.querySelector("input[name=dvh-volume][value=percent]");
  relative.checked = true;
  build();
  refresh();
  dark.addEventListener("change", build);
  let width = place.clientWidth;
  new ResizeObserver(() => {
    if (place.clientWidth && place.clientWidth !== width) {
      width = place.clientWidth;
      chart.setSize(size());
    }
  }).observe(place);
})();
