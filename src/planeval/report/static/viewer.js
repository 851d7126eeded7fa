// The scrollable slices: three linked planes with display windows, outlines, isodoses and dose wash.
// The pictures of the page stay as they are for paper and for a browser that cannot do this.
(() => {
  "use strict";
  const source = document.getElementById("viewer-data");
  const section = document.getElementById("viewer");
  if (!source || !section) return;
  const cuts = planevalCuts;
  const data = JSON.parse(source.textContent);
  const status = document.getElementById("viewer-status");
  const [x0, y0, z0] = data.low;
  const size = data.high.map((end, axis) => end - data.low[axis]);
  const top = data.high[2];
  const GROUND = 43;
  const LATTICE_MM = 1;
  const GOLDEN = 0.618;
  const WINDOWS = { soft: [350, 40], lung: [1500, -600], bone: [2000, 400] };
  // Viridis: lightness rises with dose, so that it reads without colour vision as well.
  const WASH = [
    [68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142],
    [31, 158, 137], [53, 183, 121], [109, 205, 89], [180, 222, 44], [253, 231, 37],
  ];
  const svgNode = (name, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
    return node;
  };
  const number = (value, digits = 1) => value.toFixed(digits).replace("-", "−");

  // What is shown.
  const state = {
    point: [...data.jumps[0]],
    window: "soft",
    wash: false,
    cross: true,
    structures: data.structures.map((each) => each.shown),
    levels: data.levels.map(() => true),
  };
  let volume = null;
  let dose = null;
  let slabs = null;

  const middles = (count, axis) => {
    const step = size[axis] / count;
    return Array.from({ length: count }, (_, n) => data.low[axis] + (n + 0.5) * step);
  };
  const columns = data.ct ? data.ct.columns : Math.round(size[0] / 2.5);
  const rows = data.ct ? data.ct.rows : Math.round(size[1] / 2.5);
  const levelsDown = (() => {
    const steps = data.z.slice(1).map((height, n) => height - data.z[n]);
    return Math.min(Math.round(size[2] / Math.min(...steps)), 1200);
  })();
  // For each row of an upright picture, the slice that is there: -1 in a gap between slices.
  const sliceOfRow = Array.from({ length: levelsDown }, (_, row) => {
    const height = top - ((row + 0.5) * size[2]) / levelsDown;
    let best = 0;
    data.z.forEach((z, n) => { if (Math.abs(z - height) < Math.abs(data.z[best] - height)) best = n; });
    return Math.abs(data.z[best] - height) <= (1.01 * size[2]) / levelsDown ? best : -1;
  });

  // The planes: the axis they are stacked along, and what right and down are in patient axes.
  const planes = {
    axial: { axis: 2, right: 0, down: 1, at: data.z, wide: columns, high: rows, letters: ["R", "L", "A", "P"] },
    coronal: { axis: 1, right: 0, down: 2, at: middles(rows, 1), wide: columns, high: levelsDown, letters: ["R", "L", "S", "I"] },
    sagittal: { axis: 0, right: 1, down: 2, at: middles(columns, 0), wide: rows, high: levelsDown, letters: ["A", "P", "S", "I"] },
  };
  const nearest = (places, value) => places.reduce(
    (best, place, n) => (Math.abs(place - value) < Math.abs(places[best] - value) ? n : best), 0,
  );

  // Samples of the dose lattice of a plane, along right and down.
  const along = (axis, count) => Array.from({ length: count }, (_, n) => (
    axis === 2 ? top - n * LATTICE_MM : data.low[axis] + n * LATTICE_MM
  ));

  // The grey of every code at the chosen window, as the four bytes of a pixel.
  const opaque = (grey) => (255 << 24) | (grey << 16) | (grey << 8) | grey;
  const shades = () => {
    const [width, centre] = WINDOWS[state.window];
    return Int32Array.from(data.ct.hu, (hu, code) => {
      const grey = (255 * (hu - centre + width / 2)) / width;
      return opaque(code < 4 ? GROUND : Math.min(Math.max(Math.round(grey), 0), 255));
    });
  };

  const paintCt = (view) => {
    const { plane, index } = view;
    const context = view.ct.getContext("2d");
    const image = context.createImageData(plane.wide, plane.high);
    const pixels = new Int32Array(image.data.buffer);
    pixels.fill(opaque(GROUND));
    const table = volume ? shades() : null;
    const slice = columns * rows;
    const stride = plane.axis === 0 ? columns : 1;
    for (let row = 0, n = 0; table && row < plane.high; row++) {
      const upright = plane.axis === 2 ? index : sliceOfRow[row];
      if (upright < 0) {
        n += plane.wide;
        continue;
      }
      let at = upright * slice;
      if (plane.axis === 2) at += row * columns;
      else at += plane.axis === 1 ? index * columns : index;
      for (let column = 0; column < plane.wide; column++, at += stride) pixels[n++] = table[volume[at]];
    }
    context.putImageData(image, 0, 0);
  };

  const doseField = (view) => {
    const { plane } = view;
    const axes = [null, null, null];
    axes[plane.axis] = [plane.at[view.index]];
    const counts = [Math.floor(size[plane.right] / LATTICE_MM) + 1, Math.floor(size[plane.down] / LATTICE_MM) + 1];
    axes[plane.right] = along(plane.right, counts[0]);
    axes[plane.down] = along(plane.down, counts[1]);
    return { field: cuts.doseAt(dose, ...axes), wide: counts[0], high: counts[1] };
  };

  const washColour = (share) => {
    const at = Math.min(Math.max(share, 0), 0.9999) * (WASH.length - 1);
    const low = Math.floor(at);
    return [0, 1, 2].map((part) => WASH[low][part] + (WASH[low + 1][part] - WASH[low][part]) * (at - low));
  };
  const washEnds = () => {
    const highest = dose.highest;
    return [0.1 * (data.rx || highest), highest];
  };

  const paintWash = (view, sampled) => {
    view.wash.classList.toggle("off", !state.wash);
    if (!state.wash || !sampled) return;
    const { field, wide, high } = sampled;
    view.wash.width = wide;
    view.wash.height = high;
    const context = view.wash.getContext("2d");
    const image = context.createImageData(wide, high);
    const [low, highest] = washEnds();
    const pixels = new Int32Array(image.data.buffer);
    const table = Int32Array.from({ length: 256 }, (_, n) => {
      const [red, green, blue] = washColour(n / 255);
      return (120 << 24) | (blue << 16) | (green << 8) | red;
    });
    field.forEach((gy, n) => {
      if (gy >= low) pixels[n] = table[Math.min(Math.round((255 * (gy - low)) / (highest - low)), 255)];
    });
    context.putImageData(image, 0, 0);
  };

  const drawOutlines = (view) => {
    const { plane } = view;
    const value = plane.at[view.index];
    view.outlines.forEach((node, n) => {
      const shown = state.structures[n];
      node.classList.toggle("off", !shown);
      if (!shown) return;
      node.setAttribute("d", plane.axis === 2
        ? cuts.axialOutline(slabs[n], value)
        : cuts.uprightOutline(slabs[n], plane.axis, value - data.low[plane.axis], top));
    });
  };

  // A point of a line that is clear of other labels and of the edges, or null.
  const labelPlace = (line, taken, [width, height]) => {
    const [roomX, roomY, edge] = [0.075 * width, 0.03 * width, 0.04 * width];
    const start = Math.floor(taken.length * GOLDEN * line.length);
    for (let n = 0; n < line.length; n += Math.max(1, Math.floor(line.length / 48))) {
      const [x, y] = line[(start + n) % line.length];
      if (x < edge || y < edge || x > width - edge || y > height - edge) continue;
      if (taken.every(([a, b]) => Math.abs(x - a) > roomX || Math.abs(y - b) > roomY)) return [x, y];
    }
    return null;
  };

  const drawIsodoses = (view, sampled) => {
    const [width, height] = [size[view.plane.right], size[view.plane.down]];
    const taken = [[31, height - 9], [0, height / 2], [width, height / 2], [width / 2, 0], [width / 2, height]];
    view.levels.forEach(({ line, text }, n) => {
      const shown = sampled && state.levels[n];
      const found = shown ? cuts.lines(sampled.field, sampled.wide, sampled.high, data.levels[n].gy) : [];
      const scaled = found.map((points) => points.map(([x, y]) => [x * LATTICE_MM, y * LATTICE_MM]));
      line.setAttribute("d", scaled.map((points) => cuts.path(points, false)).join(""));
      const longest = scaled.reduce((best, points) => (points.length > best.length ? points : best), []);
      const spot = longest.length > 12 ? labelPlace(longest, taken, [width, height]) : null;
      text.classList.toggle("off", !spot);
      if (spot) {
        taken.push(spot);
        text.setAttribute("x", spot[0].toFixed(1));
        text.setAttribute("y", (spot[1] + 0.008 * width).toFixed(1));
      }
    });
  };

  const drawCross = (view) => {
    const { plane } = view;
    const [x, y] = [state.point[plane.right] - data.low[plane.right],
      plane.down === 2 ? top - state.point[2] : state.point[plane.down] - data.low[plane.down]];
    view.cross.setAttribute("d", `M${x.toFixed(1)} 0V${size[plane.down].toFixed(1)}M0 ${y.toFixed(1)}H${size[plane.right].toFixed(1)}`);
    view.cross.classList.toggle("off", !state.cross);
  };

  const say = (view) => {
    const { plane } = view;
    const text = `${"xyz"[plane.axis]} = ${number(plane.at[view.index])} mm, slice ${view.index + 1} of ${plane.at.length}`;
    view.caption.textContent = text;
    view.slider.value = String(view.index);
    view.slider.setAttribute("aria-valuetext", text);
  };

  const draw = (view) => {
    say(view);
    if (!slabs) return;
    paintCt(view);
    drawOutlines(view);
    const sampled = dose ? doseField(view) : null;
    paintWash(view, sampled);
    drawIsodoses(view, sampled);
    drawCross(view);
  };

  const views = [];
  let waiting = new Set();
  const redraw = (which) => {
    if (!waiting.size) {
      requestAnimationFrame(() => {
        const now = [...waiting];
        waiting = new Set();
        now.forEach(draw);
        views.forEach(drawCross);
      });
    }
    which.forEach((view) => waiting.add(view));
  };

  // Move to a point: only planes whose slice changes are drawn anew.
  const moveTo = (point) => {
    const changed = views.filter((view) => {
      const index = nearest(view.plane.at, point[view.plane.axis]);
      const differs = index !== view.index;
      view.index = index;
      return differs;
    });
    state.point = point;
    redraw(changed);
    views.forEach(drawCross);
  };
  const scroll = (view, index) => {
    const last = view.plane.at.length - 1;
    const to = Math.min(Math.max(index, 0), last);
    const point = [...state.point];
    point[view.plane.axis] = view.plane.at[to];
    moveTo(point);
    return to;
  };

  const placeOf = (view, event) => {
    const box = view.stage.getBoundingClientRect();
    const { plane } = view;
    const right = ((event.clientX - box.left) / box.width) * size[plane.right];
    const down = ((event.clientY - box.top) / box.height) * size[plane.down];
    const point = [...state.point];
    point[plane.axis] = plane.at[view.index];
    point[plane.right] = data.low[plane.right] + right;
    point[plane.down] = plane.down === 2 ? top - down : data.low[plane.down] + down;
    return point;
  };
  const reading = document.getElementById("viewer-reading");
  const read = (point) => {
    const parts = [`x ${number(point[0])}, y ${number(point[1])}, z ${number(point[2])} mm`];
    const gy = dose ? cuts.doseAt(dose, [point[0]], [point[1]], [point[2]])[0] : NaN;
    if (dose) {
      const share = data.rx ? ` (${((100 * gy) / data.rx).toFixed(1)} %)` : "";
      parts.push(Number.isNaN(gy) ? "outside the dose grid" : `${gy.toFixed(2)} Gy${share}`);
    }
    if (volume) {
      const i = Math.floor(((point[0] - x0) / size[0]) * columns);
      const j = Math.floor(((point[1] - y0) / size[1]) * rows);
      const code = volume[(nearest(data.z, point[2]) * rows + j) * columns + i];
      if (code >= 4) parts.push(`about ${number(data.ct.hu[code], 0)} HU`);
    }
    reading.textContent = parts.join(" · ");
  };

  const keys = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 };
  const listen = (view) => {
    view.slider.addEventListener("input", () => scroll(view, Number(view.slider.value)));
    view.stage.addEventListener("wheel", (event) => {
      if (event.ctrlKey || !event.deltaY) return;
      // at the first and last slice the page scrolls on
      const before = view.index;
      if (scroll(view, before + (event.deltaY < 0 ? 1 : -1)) !== before) event.preventDefault();
    }, { passive: false });
    view.stage.addEventListener("keydown", (event) => {
      const ends = { Home: 0, End: view.plane.at.length - 1 };
      if (event.key in keys) scroll(view, view.index + keys[event.key]);
      else if (event.key in ends) scroll(view, ends[event.key]);
      else return;
      event.preventDefault();
    });
    const take = (event) => { moveTo(placeOf(view, event)); read(state.point); };
    view.stage.addEventListener("pointerdown", (event) => { if (event.button === 0) take(event); });
    view.stage.addEventListener("pointermove", (event) => {
      if (event.buttons & 1 && event.pointerType === "mouse") take(event);
      else read(placeOf(view, event));
    });
  };

  const build = (figure) => {
    const plane = planes[figure.dataset.plane];
    const stage = figure.querySelector(".stage");
    const [width, height] = [size[plane.right], size[plane.down]];
    const canvas = () => stage.appendChild(document.createElement("canvas"));
    const view = { plane, stage, index: -1, ct: canvas(), wash: canvas(), caption: figure.querySelector("output"), slider: figure.querySelector("input[type=range]") };
    stage.style.aspectRatio = `${width} / ${height}`;
    // the upright planes have one scale
    if (plane.axis === 0) figure.style.width = `${Math.min(100, (100 * size[1]) / size[0])}%`;
    view.ct.width = plane.wide;
    view.ct.height = plane.high;
    view.wash.className = "wash off";
    const lattice = [Math.floor(width) + 1, Math.floor(height) + 1];
    // samples are the centres of the wash's pixels
    view.wash.style.cssText = `left:${-50 / width}%;top:${-50 / height}%;width:${(100 * lattice[0]) / width}%;height:${(100 * lattice[1]) / height}%`;
    const svg = stage.appendChild(svgNode("svg", { viewBox: `0 0 ${width.toFixed(2)} ${height.toFixed(2)}`, "aria-hidden": "true", class: "slice-lines" }));
    svg.style.setProperty("--w", size[0].toFixed(1));
    view.outlines = data.structures.map((each, n) => {
      const node = svg.appendChild(svgNode("path", { class: each.target ? "outline target" : "outline", stroke: each.colour, "data-outline": n }));
      node.appendChild(svgNode("title", {})).textContent = each.name;
      return node;
    });
    view.levels = data.levels.map((each, n) => {
      const line = svg.appendChild(svgNode("path", { class: each.limit ? "isodose limit" : "isodose", stroke: each.colour, "data-isodose": n }));
      const text = svg.appendChild(svgNode("text", { class: "level off", fill: each.colour }));
      text.textContent = String(Number(each.gy.toPrecision(4)));
      return { line, text };
    });
    view.cross = svg.appendChild(svgNode("path", { class: "cross" }));
    const letter = (text, x, y, anchor) => {
      svg.appendChild(svgNode("text", { class: "letter", x, y, "text-anchor": anchor })).textContent = text;
    };
    letter(plane.letters[0], 0.012 * width, height / 2, "start");
    letter(plane.letters[1], 0.988 * width, height / 2, "end");
    letter(plane.letters[2], width / 2, 0.042 * size[0], "middle");
    letter(plane.letters[3], width / 2, height - 0.012 * width, "middle");
    svg.appendChild(svgNode("path", { class: "scale", d: `M6 ${height - 6}h50m-50 -2.5v5m50 -5v5` }));
    svg.appendChild(svgNode("text", { class: "scale", x: 31, y: height - 9, "text-anchor": "middle" })).textContent = "50 mm";
    view.slider.max = String(plane.at.length - 1);
    listen(view);
    return view;
  };

  const bind = (selector, act) => section.querySelectorAll(selector).forEach((input) => {
    input.addEventListener("change", () => { act(input); redraw(views); });
  });
  const connect = () => {
    bind("input[name=viewer-window]", (input) => { state.window = input.value; });
    bind("input[data-show=wash]", (input) => { state.wash = input.checked; scale.classList.toggle("off", !state.wash); });
    bind("input[data-show=cross]", (input) => { state.cross = input.checked; });
    bind("input[data-viewer-structure]", (input) => { state.structures[Number(input.dataset.viewerStructure)] = input.checked; });
    bind("input[data-viewer-level]", (input) => { state.levels[Number(input.dataset.viewerLevel)] = input.checked; });
    section.querySelectorAll("button[data-viewer-all]").forEach((button) => button.addEventListener("click", () => {
      const on = button.dataset.viewerAll === "all";
      section.querySelectorAll("input[data-viewer-structure]").forEach((input, n) => {
        state.structures[n] = input.checked = on;
      });
      redraw(views);
    }));
    // A browser may restore boxes after a reload: they start as the page says.
    section.querySelectorAll("input[type=checkbox], input[type=radio]").forEach((input) => { input.checked = input.defaultChecked; });
  };

  // The colour bar of the dose wash.
  const scale = section.querySelector(".wash-scale");
  const buildScale = () => {
    const [low, high] = washEnds();
    const stops = WASH.map((_, n) => `rgb(${WASH[n].join(",")}) ${(100 * n) / (WASH.length - 1)}%`);
    scale.querySelector(".bar").style.background = `linear-gradient(to right, ${stops.join(",")})`;
    const ticks = scale.querySelector(".ticks");
    for (let n = 0; n <= 4; n++) {
      const gy = low + ((high - low) * n) / 4;
      const share = data.rx ? ` · ${((100 * gy) / data.rx).toFixed(0)} %` : "";
      ticks.appendChild(document.createElement("span")).textContent = `${gy.toFixed(1)} Gy${share}`;
    }
  };

  const jump = (chosen) => {
    moveTo([...data.jumps[chosen]]);
    read(state.point);
    start();
  };
  const chooser = document.getElementById("viewer-jump");
  chooser.addEventListener("change", () => jump(Number(chooser.value)));
  document.querySelectorAll("button[data-jump]").forEach((button) => button.addEventListener("click", () => {
    chooser.value = button.dataset.jump;
    jump(Number(button.dataset.jump));
    section.scrollIntoView();
    section.querySelector(".stage").focus({ preventScroll: true });
  }));

  // Pictures become codes again; a browser that alters pictures is told by their means.
  const readPictures = async () => {
    const slice = columns * rows;
    const codes = new Uint8Array(slice * data.z.length);
    for (const [n, address] of data.ct.pictures.entries()) {
      const picture = new Image();
      picture.src = address;
      await picture.decode();
      const canvas = document.createElement("canvas");
      canvas.width = picture.width;
      canvas.height = picture.height;
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(picture, 0, 0);
      const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
      const first = n * data.ct.perPicture * slice;
      let sum = 0;
      for (let at = 0; at < pixels.length / 4; at++) sum += codes[first + at] = pixels[4 * at];
      if (Math.abs(sum / (pixels.length / 4) - data.ct.means[n]) > 3) {
        throw new Error("this browser alters pictures that a page reads");
      }
    }
    return codes;
  };

  let started = false;
  const start = async () => {
    if (started) return;
    started = true;
    try {
      const unpacked = await cuts.unpackSlabs(data.slabs, data.unit);
      if (data.dose) {
        dose = await cuts.unpackDose(data.dose);
        dose.highest = (dose.codes.reduce((most, code) => Math.max(most, code), 1) - 1) * dose.step;
        buildScale();
      }
      if (data.ct) volume = await readPictures();
      slabs = unpacked;
    } catch (error) {
      status.textContent = `The slices cannot be shown: ${error.message}. The pictures above do not need this.`;
      section.classList.add("failed");
      return;
    }
    status.textContent = "";
    section.classList.add("ready");
    read(state.point);
    redraw(views);
  };

  section.querySelectorAll("figure[data-plane]").forEach((figure) => views.push(build(figure)));
  views.forEach((view) => { view.index = nearest(view.plane.at, state.point[view.plane.axis]); say(view); });
  connect();
  const near = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) {
      near.disconnect();
      start();
    }
  }, { rootMargin: "600px" });
  near.observe(section);
})();
