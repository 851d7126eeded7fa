// Geometry of the scrollable slices: unpacking, cuts through slabs, dose in a plane, isodose lines.
// Lengths are patient mm (x to the patient's left, y to the back, z to the head).
const planevalCuts = (() => {
  "use strict";

  // zlib-deflated bytes written as base64.
  const unpack = async (text) => {
    const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };

  // Undo differences along z, y and x; code 0 is unknown, else (code - 1) steps.
  const unpackDose = async (stored) => {
    const [nx, ny, nz] = [stored.x.length, stored.y.length, stored.z.length];
    const count = nx * ny * nz;
    const bytes = await unpack(stored.codes);
    const codes = new Int32Array(count);
    for (let n = 0; n < count; n++) {
      const folded = bytes[n] | (bytes[n + count] << 8) | (bytes[n + 2 * count] << 16);
      codes[n] = folded & 1 ? -((folded + 1) / 2) : folded / 2;
    }
    for (let n = 0; n < count; n++) if (n % nx) codes[n] += codes[n - 1];
    for (let n = 0; n < count; n++) if (n % (nx * ny) >= nx) codes[n] += codes[n - nx];
    for (let n = nx * ny; n < count; n++) codes[n] += codes[n - nx * ny];
    return { ...stored, codes: Uint16Array.from(codes) };
  };

  // Slabs of every structure: rings are flat [x, y, x, y, ...] in mm from the corner of the box.
  const unpackSlabs = async (text, unit) => {
    const ring = (steps) => {
      const points = new Float32Array(steps.length);
      let [x, y] = [0, 0];
      for (let n = 0; n < steps.length; n += 2) {
        points[n] = (x += steps[n]) * unit;
        points[n + 1] = (y += steps[n + 1]) * unit;
      }
      return points;
    };
    const found = JSON.parse(new TextDecoder().decode(await unpack(text)));
    return found.map((slabs) => slabs.map(([low, high, rings]) => ({ low, high, rings: rings.map(ring) })));
  };

  // Each value's place between the nodes: index of the node below and the share of the next one;
  // half a step beyond the ends is still the end, farther is -1.
  const places = (nodes, values) => {
    const last = nodes.length - 1;
    const before = (nodes[1] - nodes[0]) / 2;
    const after = (nodes[last] - nodes[last - 1]) / 2;
    const index = new Int32Array(values.length);
    const share = new Float32Array(values.length);
    let at = 0;
    values.forEach((value, n) => {
      if (value < nodes[0] - before || value > nodes[last] + after) {
        index[n] = -1;
        return;
      }
      while (at < last - 1 && nodes[at + 1] <= value) at++;
      while (at > 0 && nodes[at] > value) at--;
      index[n] = at;
      share[n] = Math.min(Math.max((value - nodes[at]) / (nodes[at + 1] - nodes[at]), 0), 1);
    });
    return { index, share };
  };

  // Trilinear dose (Gy) at every combination of x, y and z; not a number where a corner is unknown.
  const doseAt = (dose, xs, ys, zs) => {
    const [px, py, pz] = [places(dose.x, xs), places(dose.y, ys), places(dose.z, zs)];
    const [dy, dz] = [dose.x.length, dose.x.length * dose.y.length];
    const found = new Float32Array(xs.length * ys.length * zs.length);
    const codes = dose.codes;
    let n = 0;
    for (let k = 0; k < zs.length; k++) {
      for (let j = 0; j < ys.length; j++) {
        const base = pz.index[k] * dz + py.index[j] * dy;
        const [w, v] = [pz.share[k], py.share[j]];
        const outside = pz.index[k] < 0 || py.index[j] < 0;
        for (let i = 0; i < xs.length; i++, n++) {
          if (outside || px.index[i] < 0) {
            found[n] = NaN;
            continue;
          }
          const at = base + px.index[i];
          const u = px.share[i];
          const a = codes[at], b = codes[at + 1], c = codes[at + dy], d = codes[at + dy + 1];
          const up = at + dz;
          const e = codes[up], f = codes[up + 1], g = codes[up + dy], h = codes[up + dy + 1];
          if (!(a && b && c && d && e && f && g && h)) {
            found[n] = NaN;
            continue;
          }
          const low = (a + (b - a) * u) * (1 - v) + (c + (d - c) * u) * v;
          const high = (e + (f - e) * u) * (1 - v) + (g + (h - g) * u) * v;
          found[n] = (low + (high - low) * w - 1) * dose.step;
        }
      }
    }
    return found;
  };

  // Lines of a level in a field of columns x rows samples (marching squares), as flat points in samples.
  const lines = (field, columns, rows, level) => {
    const next = new Map();
    const join = (a, b) => {
      if (!next.has(a)) next.set(a, []);
      if (!next.has(b)) next.set(b, []);
      next.get(a).push(b);
      next.get(b).push(a);
    };
    for (let j = 0; j < rows - 1; j++) {
      for (let i = 0; i < columns - 1; i++) {
        const at = j * columns + i;
        const a = field[at], b = field[at + 1], c = field[at + columns + 1], d = field[at + columns];
        const kind = (a >= level) | ((b >= level) << 1) | ((c >= level) << 2) | ((d >= level) << 3);
        if (kind === 0 || kind === 15 || Number.isNaN(a + b + c + d)) continue;
        // an edge is numbered by its first sample: even along the row, odd down the column
        const top = 2 * at, right = 2 * at + 3, bottom = 2 * (at + columns), left = 2 * at + 1;
        const middle = (a + b + c + d) / 4 >= level;
        switch (kind) {
          case 1: case 14: join(left, top); break;
          case 2: case 13: join(top, right); break;
          case 3: case 12: join(left, right); break;
          case 4: case 11: join(right, bottom); break;
          case 6: case 9: join(top, bottom); break;
          case 7: case 8: join(left, bottom); break;
          default:
            if ((kind === 5) === middle) { join(left, bottom); join(top, right); }
            else { join(left, top); join(right, bottom); }
        }
      }
    }
    const point = (edge) => {
      const at = edge >> 1;
      const [i, j] = [at % columns, Math.floor(at / columns)];
      const other = field[edge & 1 ? at + columns : at + 1];
      const share = (level - field[at]) / (other - field[at]);
      return edge & 1 ? [i, j + share] : [i + share, j];
    };
    const found = [];
    const follow = (start) => {
      const line = [point(start)];
      for (let at = start; next.has(at);) {
        const [to, ...rest] = next.get(at);
        if (rest.length) next.set(at, rest); else next.delete(at);
        const back = next.get(to);
        back.splice(back.indexOf(at), 1);
        if (!back.length) next.delete(to);
        line.push(point(to));
        at = to;
      }
      found.push(line);
    };
    [...next.keys()].filter((edge) => next.get(edge).length === 1).forEach((edge) => {
      if (next.has(edge)) follow(edge);
    });
    for (const edge of [...next.keys()]) if (next.has(edge)) follow(edge);
    return found;
  };

  const path = (points, closed) =>
    `M${points.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`).join("L")}${closed ? "Z" : ""}`;

  // The outline of a solid in the axial plane z: the rings of the slab that holds it.
  const axialOutline = (slabs, z) => slabs
    .filter((slab) => slab.low <= z && z < slab.high)
    .flatMap((slab) => slab.rings)
    .map((ring) => path(Array.from({ length: ring.length / 2 }, (_, n) => [ring[2 * n], ring[2 * n + 1]]), true))
    .join("");

  // Where a line at `value` along one axis (0 x, 1 y) crosses a slab: pairs of ends along the other.
  const crossings = (slab, axis, value) => {
    const found = [];
    for (const ring of slab.rings) {
      for (let n = 0; n < ring.length; n += 2) {
        const m = (n + 2) % ring.length;
        const [a, b] = [ring[n + axis], ring[m + axis]];
        if (a <= value !== b <= value) {
          const [c, d] = [ring[n + 1 - axis], ring[m + 1 - axis]];
          found.push(c + ((value - a) / (b - a)) * (d - c));
        }
      }
    }
    return found.sort((one, other) => one - other);
  };

  // The outline of a solid in an upright plane: the edges of its slabs, cut at `value` along `axis`.
  // Between two slabs that touch, only what one of them has and the other has not is an edge.
  const uprightOutline = (slabs, axis, value, top) => {
    const parts = [];
    const level = (ends, z) => {
      for (let n = 0; n + 1 < ends.length; n += 2) {
        if (ends[n + 1] > ends[n]) parts.push(path([[ends[n], top - z], [ends[n + 1], top - z]]));
      }
    };
    let [before, reached] = [[], NaN];
    for (const slab of slabs) {
      const ends = crossings(slab, axis, value);
      const touches = Math.abs(slab.low - reached) < 1e-3;
      if (!touches) level(before, reached);
      level([...(touches ? before : []), ...ends].sort((one, other) => one - other), slab.low);
      ends.forEach((end) => parts.push(path([[end, top - slab.low], [end, top - slab.high]])));
      [before, reached] = [ends, slab.high];
    }
    level(before, reached);
    return parts.join("");
  };

  return { unpackDose, unpackSlabs, doseAt, lines, path, axialOutline, uprightOutline };
})();
