"use strict";
(() => {
  const root = document.documentElement;
  const asked = new URLSearchParams(location.search);
  const faults = [];
  addEventListener("error", (event) => faults.push(String(event.message)));
  addEventListener("securitypolicyviolation", (event) => faults.push(`policy: ${event.violatedDirective}`));

  // light and dark: as the system has it, until somebody chooses
  const toggle = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const nameToggle = () => {
    toggle.textContent = isDark() ? "Light" : "Dark";
    toggle.setAttribute("aria-label", `${toggle.textContent} colours`);
  };
  const setTheme = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    nameToggle();
  };
  setTheme(asked.get("theme"));
  toggle.hidden = false;
  toggle.addEventListener("click", () => { setTheme(isDark() ? "light" : "dark"); redraw(); });
  dark.addEventListener("change", () => { nameToggle(); redraw(); });

  // tables: sorted by a click on a header, folded where they are long
  const value = (cell) => {
    const number = Number.parseFloat(cell.textContent.replaceAll(",", "").replace("−", "-"));
    return Number.isNaN(number) ? -Infinity : number;
  };
  const sortBy = (table, header) => {
    const column = header.cellIndex;
    const numeric = header.classList.contains("n");
    const sorted = header.getAttribute("aria-sort");
    const descending = sorted ? sorted === "ascending" : numeric;
    for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const rows = Array.from(table.tBodies[0].rows, (row, place) => {
      const cell = row.cells[column];
      return { row, place, key: numeric ? value(cell) : cell.textContent };
    });
    const order = numeric
      ? (a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)
      : (a, b) => a.key.localeCompare(b.key);
    rows.sort((a, b) => (descending ? order(b, a) : order(a, b)) || a.place - b.place);
    table.tBodies[0].append(...rows.map(({ row }) => row));
  };
  for (const table of document.querySelectorAll("table")) {
    for (const header of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => sortBy(table, header));
    }
    if (!table.classList.contains("long")) continue;
    table.classList.add("folded");
    const more = document.createElement("button");
    more.type = "button";
    more.className = "more";
    const all = `Show all ${table.tBodies[0].rows.length} rows`;
    more.textContent = all;
    more.setAttribute("aria-expanded", "false");
    more.addEventListener("click", () => {
      const folded = table.classList.toggle("folded");
      more.textContent = folded ? all : "Show fewer";
      more.setAttribute("aria-expanded", String(!folded));
    });
    table.parentElement.after(more);
  }

  // what need not be scrolled is no stop for the keyboard
  const passOver = () => {
    for (const area of document.querySelectorAll(".scroll")) {
      if (area.clientWidth && area.scrollWidth <= area.clientWidth) area.removeAttribute("tabindex");
    }
  };

  // the samples of what was dropped: searched by their words
  const search = document.getElementById("search");
  if (search) {
    const stage = document.getElementById("stage");
    const found = document.getElementById("found");
    const samples = Array.from(document.querySelectorAll("#dropped-panel .sample"), (sample) => ({
      sample,
      reason: sample.querySelector("summary").textContent.toLowerCase(),
      excerpts: Array.from(sample.querySelectorAll(".excerpt"), (excerpt) => ({
        excerpt,
        words: excerpt.textContent.toLowerCase(),
      })),
    }));
    const look = () => {
      const wanted = search.value.trim().toLowerCase();
      let documents = 0;
      let reasons = 0;
      for (const { sample, reason, excerpts } of samples) {
        const whole = reason.includes(wanted);
        let shown = 0;
        for (const { excerpt, words } of excerpts) {
          excerpt.hidden = !whole && !words.includes(wanted);
          if (!excerpt.hidden) shown += 1;
        }
        sample.hidden = !shown || (stage.value !== "" && sample.dataset.stage !== stage.value);
        if (wanted) sample.open = !sample.hidden && !whole;
        if (!sample.hidden) { documents += shown; reasons += 1; }
      }
      found.textContent = `${documents} samples of ${reasons} reasons`;
    };
    search.addEventListener("input", look);
    stage.addEventListener("change", look);
    search.closest(".search").hidden = false;
    look();
  }

  // charts: drawn when they come near, in the colours of the page
  const holder = document.getElementById("figures");
  const figures = holder ? JSON.parse(holder.textContent) : {};
  const phone = matchMedia("(max-width: 36rem)");
  const drawn = new Set();
  let first = null;
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const painted = (part, colours) => {
    if (Array.isArray(part)) return part.map((one) => painted(one, colours));
    if (part && typeof part === "object") {
      return Object.fromEntries(Object.entries(part).map(([key, one]) => [key, painted(one, colours)]));
    }
    if (typeof part !== "string" || !part.startsWith("var(--")) return part;
    if (part === "var(--sans)") return getComputedStyle(document.body).fontFamily;
    if (!colours.has(part)) {
      probe.style.color = part;
      colours.set(part, getComputedStyle(probe).color);
    }
    return colours.get(part);
  };
  const draw = async (id) => {
    const { views, narrow } = figures[id];
    const switched = document.querySelector(`[data-chart="${id}"]`);
    const chosen = switched ? Number(switched.querySelector(":checked").value) : 0;
    if (switched) switched.hidden = phone.matches && narrow !== null;
    const figure = phone.matches && narrow ? narrow : views[chosen][1];
    const { data, layout } = painted(figure, new Map());
    drawn.add(id);
    document.getElementById(id).style.minHeight = "0";
    await Plotly.react(id, data, layout, { displayModeBar: false, responsive: true });
    first ??= performance.now();
  };
  const redraw = () => { for (const id of drawn) draw(id); };
  const start = async () => {
    const script = document.createElement("script");
    script.textContent = document.getElementById("plotly").textContent;
    document.head.append(script);
    for (const switched of document.querySelectorAll(".views")) {
      switched.addEventListener("change", () => draw(switched.dataset.chart));
    }
    phone.addEventListener("change", redraw);
    addEventListener("beforeprint", () => { for (const id in figures) if (!drawn.has(id)) draw(id); });
    if (asked.has("check")) {
      for (const id in figures) await draw(id);
      return;
    }
    const near = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        draw(target.id);
      }
    }, { rootMargin: "400px" });
    for (const id in figures) near.observe(document.getElementById(id));
  };
  // what a test asks for: times in ms, charts drawn, and what went wrong
  const check = () => {
    const told = document.createElement("output");
    told.id = "check";
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    told.textContent = JSON.stringify({
      paint: paint ? paint.startTime : null,
      first,
      ready: performance.now(),
      drawn: [...drawn].filter((id) => document.getElementById(id).querySelector("svg")),
      wide: root.scrollWidth > root.clientWidth,
      faults,
    });
    document.body.append(told);
  };
  // text is painted before the library is read
  requestAnimationFrame(() => setTimeout(async () => {
    passOver();
    try {
      if (holder) await start();
    } catch (fault) {
      faults.push(String(fault));
    }
    if (asked.has("check")) check();
  }));
})();
