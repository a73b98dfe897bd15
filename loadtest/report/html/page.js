"use strict";
(() => {
  const root = document.getElementById("timeline");
  if (!root) return;
  const data = JSON.parse(document.getElementById("data").textContent);
  const byID = id => document.getElementById(id);
  const svgNS = "http://www.w3.org/2000/svg";
  const zoomed = [...root.querySelectorAll(":scope svg.z")];
  const ticks = byID("ticks"), range = byID("range"), readout = byID("readout"), said = byID("said"), tip = byID("tip");
  const least = Math.min(1, Math.max(0.2 / data.seconds, 1 / 2000)); // of the whole, at the closest
  let from = 0, to = 1;   // what is shown, as shares of the run
  let at = null;          // where the line is
  let due = 0;

  // Text of moments.
  const long = s => {
    const a = Math.abs(s);
    if (a < 0.001) return Math.round(s * 1e6) + " µs";
    if (a < 0.01) return (s * 1e3).toFixed(1) + " ms";
    if (a < 1) return Math.round(s * 1e3) + " ms";
    if (a < 120) return s.toFixed(a < 10 ? 2 : 1) + " s";
    return clock(s, 60);
  };
  const clock = (s, step) => {
    if (step < 60 && s < 600) return +s.toFixed(3) + " s";
    const n = Math.round(s), two = v => String(v).padStart(2, "0");
    return n < 3600 ? Math.floor(n / 60) + ":" + two(n % 60) : Math.floor(n / 3600) + ":" + two(Math.floor(n / 60) % 60) + ":" + two(n % 60);
  };
  const nice = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

  // The view: each row's inner SVG is made wider than the row, and moved.
  const draw = () => {
    due = 0;
    const width = 100 / (to - from) + "%", x = -100 * from / (to - from) + "%";
    for (const z of zoomed) {
      z.setAttribute("width", width);
      z.setAttribute("x", x);
    }
    const pixels = ticks.parentNode.clientWidth || 600;
    const wanted = data.seconds * (to - from) / Math.max(2, pixels / 90);
    const step = nice.find(s => s >= wanted) ?? 86400;
    ticks.replaceChildren();
    for (let t = Math.ceil(data.seconds * from / step) * step; t <= data.seconds * to * 1.00001; t += step) {
      const where = 100 * t / data.seconds + "%";
      const line = document.createElementNS(svgNS, "line"), text = document.createElementNS(svgNS, "text");
      for (const [k, v] of Object.entries({ x1: where, x2: where, y1: 16, y2: 22 })) line.setAttribute(k, v);
      text.setAttribute("x", where);
      text.setAttribute("y", 13);
      text.textContent = clock(t, step);
      ticks.append(line, text);
    }
    edges();
    range.textContent = to - from > 0.9999 ? "the whole run, " + long(data.seconds) : long(from * data.seconds) + " to " + long(to * data.seconds);
    root.dataset.from = from;
    root.dataset.to = to;
  };
  // Labels at the edges are turned inwards, so that none is cut.
  const edges = () => {
    for (const text of ticks.querySelectorAll("text")) {
      const share = (parseFloat(text.getAttribute("x")) / 100 - from) / (to - from);
      text.style.textAnchor = share < 0.03 ? "start" : share > 0.97 ? "end" : "middle";
    }
  };
  const show = (a, b) => {
    const span = Math.min(1, Math.max(least, b - a));
    const middle = (a + b) / 2;
    from = Math.min(Math.max(0, middle - span / 2), 1 - span);
    to = from + span;
    due ||= requestAnimationFrame(draw);
  };
  const zoom = (factor, around = at ?? (from + to) / 2) => {
    const span = Math.min(1, Math.max(least, (to - from) * factor));
    const keep = Math.min(1, Math.max(0, (around - from) / (to - from)));
    show(around - keep * span, around + (1 - keep) * span);
  };
  const pan = share => {
    const span = to - from, a = Math.min(Math.max(0, from + share * span), 1 - span);
    show(a, a + span);
  };

  // The line, and what was at that moment.
  const lines = zoomed.map(z => {
    const line = document.createElementNS(svgNS, "line");
    line.setAttribute("class", "cursor");
    line.setAttribute("y1", 0);
    line.setAttribute("y2", "100%");
    line.setAttribute("visibility", "hidden");
    if (z !== ticks) z.append(line);
    return line;
  });
  const lastBefore = (list, when) => {
    let found = -1;
    for (let i = 0; i < list.length && list[i] <= when; i++) found = i;
    return found;
  };
  const stateAt = (states, t) => states.find(s => t >= s.from && t < s.to)?.word;
  const tell = t => {
    const parts = [["At " + long(t), data.phases.find(p => t >= p.from && t <= p.to)?.word ?? ""]];
    for (const lane of data.lanes) {
      const p = lane.points.find(p => t >= p[0] && t < p[0] + data.step);
      if (!p) continue;
      let text = (p[1] / data.step).toFixed(0) + "/s";
      if (p[4]) text += `, p50 ${long(p[4])}, p99 ${long(p[5])}, max ${long(p[6])}`;
      if (p[2]) text += `, ${p[2]} lost`;
      if (p[3]) text += `, ${p[3]} masked`;
      parts.push(["lane " + lane.name, text]);
    }
    const i = lastBefore(data.scaleAt, t);
    if (i >= 0) {
      const [asked, ready, measured, most] = data.scales[i];
      parts.push(["replicas", `${asked} asked for, ${ready} ready${most ? `, ${most} at most` : ""}${measured ? `, autoscaler measures ${measured} %` : ""}`]);
    }
    const pods = [];
    for (const p of data.pods) {
      const state = stateAt(p.states, t);
      if (!state) continue;
      const route = stateAt(p.routes, t);
      pods.push(`${p.name} ${state}${route ? ", endpoint " + (route === "serving" ? "serving on" : route) : ", no endpoint"}`);
    }
    if (pods.length) parts.push(["pods", pods.slice(0, 12).join("; ") + (pods.length > 12 ? `; and ${pods.length - 12} more` : "")]);
    return parts;
  };
  const point = (share, aloud) => {
    at = share;
    for (const line of lines) {
      line.setAttribute("visibility", share === null ? "hidden" : "visible");
      if (share === null) continue;
      line.setAttribute("x1", 100 * share + "%");
      line.setAttribute("x2", 100 * share + "%");
    }
    readout.hidden = share === null;
    if (share === null) return;
    const parts = tell(share * data.seconds);
    readout.replaceChildren(...parts.map(([name, text]) => {
      const line = document.createElement("div"), b = document.createElement("b");
      b.textContent = name;
      line.append(b, text);
      return line;
    }));
    if (aloud) said.textContent = parts.map(p => p.join(" ")).join(". ");
  };

  // Tooltips: the titles are shown by us, to the keyboard too.
  for (const title of root.querySelectorAll("title")) {
    title.parentNode.dataset.tip = title.textContent;
    title.remove();
  }
  const tipAt = (text, x, y) => {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(8, Math.min(x + 14, innerWidth - box.width - 8)) + "px";
    tip.style.top = (y + 18 + box.height < innerHeight ? y + 18 : Math.max(8, y - box.height - 12)) + "px";
  };
  const tipOf = e => e.target.closest?.("[data-tip]")?.dataset.tip ?? e.target.querySelector?.("[data-tip]")?.dataset.tip;
  root.addEventListener("focusin", e => {
    const text = e.target !== root && tipOf(e);
    if (!text) return;
    const box = e.target.getBoundingClientRect();
    tipAt(text, box.left, box.bottom - 8);
    // A mark that is out of sight is brought into it.
    const x = parseFloat(e.target.querySelector("use")?.getAttribute("x")) / 100;
    if (x < from || x > to) show(x - (to - from) / 2, x + (to - from) / 2);
  });
  root.addEventListener("focusout", () => { tip.hidden = true; });

  // The pointer: a drag selects, with shift or a finger it moves, two fingers zoom.
  const shareAt = (e, plot) => {
    const box = plot.getBoundingClientRect();
    return Math.min(1, Math.max(0, from + (e.clientX - box.left) / box.width * (to - from)));
  };
  const fingers = new Map();
  let drag = null, dragged = false;
  root.addEventListener("pointerdown", e => {
    const plot = e.target.closest(".plot");
    if (!plot || e.button > 0) return;
    dragged = false;
    if (e.pointerType === "touch") fingers.set(e.pointerId, e);
    if (fingers.size > 1) { drag = null; return; }
    drag = { plot, x: e.clientX, share: shareAt(e, plot), from, to, moves: e.shiftKey || e.pointerType === "touch", band: null };
  });
  addEventListener("pointermove", e => {
    const plot = e.target.closest?.("#timeline .plot") ?? drag?.plot;
    if (!plot) { tip.hidden = true; return; }
    if (fingers.has(e.pointerId) && fingers.size === 2) {
      const [a, b] = [...fingers.values()], before = Math.abs(a.clientX - b.clientX);
      fingers.set(e.pointerId, e);
      const [c, d] = [...fingers.values()], now = Math.abs(c.clientX - d.clientX);
      if (before > 20 && now > 20) zoom(before / now, shareAt({ clientX: (c.clientX + d.clientX) / 2 }, plot));
      return;
    }
    if (drag && Math.abs(e.clientX - drag.x) > 4) {
      dragged = true;
      if (drag.moves) {
        const moved = (e.clientX - drag.x) / drag.plot.clientWidth * (drag.to - drag.from);
        show(drag.from - moved, drag.to - moved);
      } else {
        if (!drag.band) {
          drag.band = document.createElement("div");
          drag.band.id = "selection";
          root.append(drag.band);
        }
        const edge = drag.plot.getBoundingClientRect(), left = root.getBoundingClientRect().left;
        const a = Math.max(edge.left, Math.min(drag.x, e.clientX)), b = Math.min(edge.right, Math.max(drag.x, e.clientX));
        drag.band.style.left = a - left + "px";
        drag.band.style.width = b - a + "px";
      }
    }
    if (e.pointerType !== "touch" || !drag) point(shareAt(e, plot), false);
    const text = !drag?.band && tipOf({ target: e.target });
    if (text && e.target.closest?.("[data-tip]")) tipAt(text, e.clientX, e.clientY); else tip.hidden = true;
  });
  const endDrag = e => {
    fingers.delete(e.pointerId);
    if (!drag) return;
    const { band, share, plot } = drag;
    drag = null;
    if (band) {
      band.remove();
      const other = shareAt(e, plot);
      show(Math.min(share, other), Math.max(share, other));
    } else if (!dragged && e.pointerType === "touch") point(shareAt(e, plot), false);
  };
  addEventListener("pointerup", endDrag);
  addEventListener("pointercancel", e => { fingers.delete(e.pointerId); drag?.band?.remove(); drag = null; });
  // A drag that ends on a mark is no click on it.
  root.addEventListener("click", e => { if (dragged) { e.preventDefault(); dragged = false; } }, true);
  root.addEventListener("dragstart", e => e.preventDefault());
  root.addEventListener("pointerleave", () => { if (!drag) { tip.hidden = true; if (document.activeElement !== root) point(null); } });
  root.addEventListener("wheel", e => {
    const plot = e.target.closest(".plot");
    if (!plot) return;
    if (e.ctrlKey || e.metaKey) {
      e.preventDefault();
      zoom(Math.exp(Math.sign(e.deltaY) * Math.min(Math.abs(e.deltaY), 60) / 150), shareAt(e, plot));
    } else if (Math.abs(e.deltaX) > Math.abs(e.deltaY) || e.shiftKey) {
      e.preventDefault();
      pan((e.deltaX || e.deltaY) / plot.clientWidth);
    }
  }, { passive: false });

  // The keyboard.
  root.addEventListener("keydown", e => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const step = (to - from) / (e.shiftKey ? 10 : 100);
    const move = share => {
      const next = Math.min(1, Math.max(0, share));
      if (next < from) pan((next - from) / (to - from));
      if (next > to) pan((next - to) / (to - from));
      point(next, true);
    };
    const keys = {
      "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), "_": () => zoom(2), "0": () => show(0, 1),
      ArrowLeft: () => move((at ?? (from + to) / 2) - step), ArrowRight: () => move((at ?? (from + to) / 2) + step),
      Home: () => move(0), End: () => move(1), PageUp: () => pan(-0.9), PageDown: () => pan(0.9),
      Escape: () => { point(null); tip.hidden = true; },
    };
    if (!keys[e.key] || (e.target !== root && !["+", "=", "-", "0", "Escape"].includes(e.key))) return;
    e.preventDefault();
    keys[e.key]();
  });

  // The buttons, and the links that lead from an explanation to its moment.
  const doing = { in: () => zoom(0.5), out: () => zoom(2), left: () => pan(-0.5), right: () => pan(0.5), all: () => show(0, 1) };
  byID("controls").addEventListener("click", e => doing[e.target.dataset.do]?.());
  for (const p of data.phases) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = p.word;
    button.setAttribute("aria-label", "Zoom to " + p.word);
    button.addEventListener("click", () => show(p.from / data.seconds, p.to / data.seconds));
    if (data.phases.length > 1) byID("phase-buttons").append(button);
  }
  for (const link of document.querySelectorAll("a.show")) {
    link.addEventListener("click", () => {
      show(+link.dataset.from, +link.dataset.to);
      root.focus({ preventScroll: true });
    });
  }
  root.tabIndex = 0;
  byID("controls").hidden = false;
  byID("timeline-help").hidden = false;
  draw();
  addEventListener("resize", () => { due ||= requestAnimationFrame(draw); });

  // Paper shows what is folded away, too.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const d of folded) d.open = true;
  });
  addEventListener("afterprint", () => { for (const d of folded) d.open = false; });
})();
