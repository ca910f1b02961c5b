// The inspector's page: a list that grows as exchanges pass, all of one that is chosen, and the link's frames.
//
// A stream of events says only that something changed; the page then asks what. Where there is no stream (too many
// pages, or none that lasts), it asks every two seconds. What passes through a tunnel is anybody's: it enters the
// document as text only (textContent), never as markup, and bars are placed through the CSSOM, since the page's
// policy allows no inline style.

const POLL_MS = 2000;
const LAST_SHOWN = 300; // frames in a table

const byId = (id) => document.getElementById(id);
const tokenMeta = document.querySelector('meta[name="inspector-token"]');
const secretHeader = { [tokenMeta.dataset.field]: tokenMeta.content };

const numbers = new Intl.NumberFormat("es", { maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("es", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
});

// Making pieces of the document

function el(name, properties = {}, ...children) {
  const { dataset, attributes, ...rest } = properties;
  const element = Object.assign(document.createElement(name), rest);
  Object.assign(element.dataset, dataset);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

function table(className, headings, rows, label) {
  const head = el(
    "thead",
    {},
    el("tr", {}, ...headings.map(([text, kind]) => el("th", { scope: "col", className: kind ?? "", textContent: text }))),
  );
  const whole = el("table", { className, attributes: { "aria-label": label } }, head, el("tbody", {}, ...rows));
  return el("div", { className: "scroll" }, whole);
}

/** Return a target that may be broken where people would break it. */
function breakable(target) {
  return target.split(/(?<=[/?&])/).flatMap((piece) => [piece, el("wbr")]);
}

function bytes(count) {
  if (count < 1024) {
    return `${count} B`;
  }
  const inKib = count / 1024;
  return inKib < 1024 ? `${numbers.format(inKib)} KiB` : `${numbers.format(inKib / 1024)} MiB`;
}

function seconds(value) {
  if (value === null || value === undefined) {
    return "…";
  }
  if (value >= 1) {
    return `${numbers.format(value)} s`;
  }
  const ms = value * 1000;
  return ms < 0.1 ? "< 0,1 ms" : `${numbers.format(ms)} ms`;
}

const moment = (epoch) => clock.format(new Date(epoch * 1000));

function statusClass(row) {
  if (row.ending === "cut") {
    return "s-cut";
  }
  return row.status ? `s${Math.floor(row.status / 100)}` : "";
}

function statusWords(row) {
  if (row.ending === "cut") {
    return row.status ? [`${row.status}`, "cortada"] : ["✕", row.reason || "cortada"];
  }
  return row.status ? [`${row.status}`, row.reason] : ["…", "en curso"];
}

// Talking to the client

class Refusal extends Error {}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", ...options });
  } catch {
    throw new Refusal("El cliente del túnel no responde: ¿se cerró?");
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) {
    throw new Refusal(answer?.error ?? `El inspector respondió ${response.status}.`);
  }
  return answer;
}

function order(path, body) {
  const headers = { ...secretHeader };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
  }
  return ask(path, { method: "POST", headers, body: body === undefined ? undefined : JSON.stringify(body) });
}

function complain(error) {
  byId("banner").textContent = error.message;
  byId("banner").hidden = false;
}

// What is shown

const shown = new Map(); // number -> its row of the table
let seen = 0; // the last change that was asked for
let round = 0; // counts the questions, so that one that the filter has overtaken is thrown away
let chosen = 0; // the number of the exchange in the detail
let detail = null;
let isPaused = false;
let isKnown = false; // whether the list has been read once
let newcomers = 0; // not announced yet

function showState(state, text) {
  byId("state").dataset.state = state;
  byId("state-text").textContent = text;
}

const query = () =>
  new URLSearchParams({
    since: seen,
    text: byId("text").value,
    method: byId("method").value,
    status: byId("status").value,
  });

async function refresh() {
  const mine = ++round;
  const answer = await ask(`api/exchanges?${query()}`);
  if (mine !== round) {
    return;
  }
  seen = answer.version;
  for (const number of [...shown.keys()]) {
    if (number < answer.oldest) {
      dropRow(number);
    }
  }
  for (const row of answer.exchanges) {
    if (row.matches) {
      putRow(row);
    } else {
      dropRow(row.number);
    }
  }
  isKnown = true;
  const count = shown.size;
  byId("count").textContent = count === 1 ? "1 petición" : `${count} peticiones`;
  const isFiltered = byId("text").value || byId("method").value || byId("status").value;
  byId("table").hidden = !count;
  byId("empty").hidden = Boolean(count);
  byId("empty").textContent = isFiltered
    ? "Ninguna petición guardada cumple ese filtro."
    : "Todavía no pasó ninguna petición. Abra la dirección pública del túnel: lo que pase aparecerá aquí.";
  if (chosen && answer.exchanges.some((row) => row.number === chosen)) {
    await loadDetail();
  }
  if (!byId("panel-link").hidden) {
    await showLink();
  }
}

function putRow(row) {
  const [code, words] = statusWords(row);
  const open = el(
    "button",
    { type: "button", className: "open", dataset: { number: row.number } },
    el("span", { className: "method", textContent: row.method || "?" }),
    " ",
    ...breakable(row.target),
    " ",
    row.replay_of ? el("span", { className: "badge", textContent: `repetición de ${row.replay_of}` }) : null,
    el("span", { className: "host", textContent: row.host }),
  );
  const line = el(
    "tr",
    { dataset: { number: row.number } },
    el("td", { className: "c-number", textContent: row.number }),
    el("td", { className: "c-what" }, open),
    el(
      "td",
      { className: "c-status" },
      el(
        "span",
        { className: `status ${statusClass(row)}` },
        code,
        el("small", { textContent: words, title: words }),
      ),
    ),
    el("td", { className: "c-time", textContent: seconds(row.duration_s) }),
    el("td", { className: "c-size", textContent: bytes(row.response_bytes) }),
  );
  mark(line, row.number === chosen);
  const former = shown.get(row.number);
  shown.set(row.number, line);
  if (former) {
    const hadFocus = former.contains(document.activeElement);
    former.replaceWith(line);
    if (hadFocus) {
      open.focus({ preventScroll: true });
    }
    return;
  }
  // The newest is first; one that is found again by a filter goes where it belongs.
  const after = [...byId("rows").children].find((other) => Number(other.dataset.number) < row.number);
  byId("rows").insertBefore(line, after ?? null);
  if (isKnown) {
    line.classList.add("is-fresh");
    newcomers += 1;
    announceSoon();
  }
}

function dropRow(number) {
  shown.get(number)?.remove();
  shown.delete(number);
}

function mark(line, isChosen) {
  if (isChosen) {
    line.dataset.chosen = "";
  } else {
    delete line.dataset.chosen;
  }
  const open = line.querySelector(".open");
  if (isChosen) {
    open.setAttribute("aria-current", "true");
  } else {
    open.removeAttribute("aria-current");
  }
}

let announcing = null;

function announceSoon() {
  announcing ??= setTimeout(() => {
    announcing = null;
    byId("announcer").textContent = newcomers === 1 ? "Una petición nueva." : `${newcomers} peticiones nuevas.`;
    newcomers = 0;
  }, 1500);
}

function announce(text) {
  byId("announcer").textContent = text;
}

// All of one exchange

async function choose(number, takesFocus = false) {
  if (shown.has(chosen)) {
    mark(shown.get(chosen), false);
  }
  chosen = number;
  detail = null;
  byId("split").classList.toggle("has-choice", Boolean(number));
  byId("nothing").hidden = Boolean(number);
  byId("chosen").hidden = !number;
  history.replaceState(null, "", number ? `#${number}` : location.pathname);
  if (!number) {
    return;
  }
  if (shown.has(number)) {
    mark(shown.get(number), true);
  }
  await loadDetail();
  if (takesFocus) {
    byId("detail").focus({ preventScroll: true });
  }
}

async function loadDetail() {
  const number = chosen;
  let answer;
  try {
    answer = await ask(`api/exchanges/${number}`);
  } catch (error) {
    if (number === chosen) {
      complain(error);
      await choose(0);
    }
    return;
  }
  if (number !== chosen) {
    return;
  }
  detail = answer;
  showDetail();
}

function showDetail() {
  const row = detail.summary;
  const [code, words] = statusWords(row);
  byId("detail-title").replaceChildren(`${row.method} `, ...breakable(row.target));
  byId("facts").replaceChildren(
    el("strong", { className: statusClass(row), textContent: `${code} ${words}` }),
    ` · ${seconds(row.duration_s)} · ${row.host} → ${row.upstream} · ${moment(row.started_at)}`,
    row.replay_of ? ` · repetición de la ${row.replay_of}` : ` · stream ${detail.stream_id}`,
  );
  byId("fault").hidden = !detail.fault;
  byId("fault").textContent = detail.fault ? `Se cortó: ${detail.fault}.` : "";
  byId("replay").disabled = byId("edit").disabled = detail.edit.is_upgrade;
  byId("har-one").href = `api/har?number=${row.number}`;
  byId("panel-times").replaceChildren(...timesOf(detail));
  byId("panel-hops").replaceChildren(...detail.hops.map(hopOf));
  byId("panel-request").replaceChildren(
    part("Cabecera, como la leyó el servicio", headOf(`${row.method} ${row.target} HTTP/1.1`, detail.request_fields)),
    part("Contenido", ...contentOf(detail.request_content)),
  );
  const startLine = row.status ? `HTTP/1.1 ${row.status} ${row.ending === "cut" ? "" : row.reason}` : "";
  byId("panel-response").replaceChildren(
    part(
      "Cabecera, como la envió el servicio",
      startLine ? headOf(startLine, detail.response_fields) : el("p", { className: "note", textContent: "No hubo." }),
      detail.interims.length
        ? el("p", { className: "note", textContent: `Antes, respuestas provisionales: ${detail.interims.join(", ")}.` })
        : null,
    ),
    part("Contenido", ...contentOf(detail.response_content)),
  );
  if (!byId("panel-frames").hidden) {
    showOwnFrames();
  }
}

const part = (title, ...children) =>
  el("section", { className: "part" }, el("h3", { textContent: title }), ...children);

function headOf(startLine, fields) {
  const lines = fields.map(([name, value]) => `${name}: ${value}`);
  return el("pre", { textContent: [startLine, ...lines].join("\n"), tabIndex: 0 });
}

function contentOf(content) {
  if (content.kind === "empty") {
    const text = content.total_bytes ? `${bytes(content.total_bytes)}, que no se guardaron.` : "Ninguno.";
    return [el("p", { className: "note", textContent: text })];
  }
  const words = { json: "JSON", text: "texto", binary: "bytes, en hexadecimal" };
  const facts = [content.media_type || "sin tipo", bytes(content.total_bytes), words[content.kind]];
  if (content.coding) {
    facts.push(`descomprimido (${content.coding})`);
  }
  const remarks = [el("p", { className: "note", textContent: facts.join(" · ") })];
  if (content.is_truncated) {
    const text = `Recortado: se guardó el comienzo, ${bytes(content.kept_bytes)} de ${bytes(content.total_bytes)}.`;
    remarks.push(el("p", { className: "note strong", textContent: text }));
  } else if (content.is_cut) {
    remarks.push(el("p", { className: "note strong", textContent: "Aquí se muestra solo el comienzo." }));
  }
  return [...remarks, el("pre", { className: content.kind === "binary" ? "hex" : "", textContent: content.text, tabIndex: 0 })];
}

function timesOf({ phases, summary, is_connection_reused: isReused, round_trip_s: roundTrip, link }) {
  const start = Math.min(0, ...phases.map((phase) => phase.start_s));
  const end = Math.max(...phases.map((phase) => phase.end_s ?? phase.start_s), summary.duration_s ?? 0, 1e-6);
  const share = (value) => `${(100 * value) / (end - start)}%`;
  const rows = phases.map((phase) => {
    const until = phase.end_s ?? end;
    const bar = el("span", { className: phase.is_estimate ? "bar is-estimate" : "bar", dataset: { kind: phase.kind } });
    bar.style.left = share(phase.start_s - start);
    bar.style.width = share(until - phase.start_s);
    return el(
      "tr",
      {},
      el("th", { scope: "row", className: "phase" }, phase.name, el("small", { textContent: phase.note })),
      el("td", { attributes: { "aria-hidden": "true" } }, el("div", { className: "track" }, bar)),
      el("td", {
        className: "num",
        textContent: phase.end_s === null ? "en curso" : `${phase.is_estimate ? "≈ " : ""}${seconds(until - phase.start_s)}`,
      }),
    );
  });
  const remarks = [];
  if (link) {
    remarks.push(
      "Desde esta máquina se ve lo que pasa entre el enlace y el servicio. El tramo del visitante al nodo de salida no " +
        "se ve; el del enlace se estima con la mitad de la ida y la vuelta de un PING" +
        (roundTrip ? `, ${seconds(roundTrip)}.` : ", que todavía no se había medido."),
    );
  } else {
    remarks.push("Es una repetición: salió de este cliente y no pasó por el enlace.");
  }
  if (isReused) {
    remarks.push("La conexión con el servicio ya estaba abierta: se reutilizó.");
  }
  return [
    table("waterfall", [["Tramo"], [""], ["Duración", "num"]], rows, "Tiempos de la petición"),
    ...remarks.map((text) => el("p", { className: "note", textContent: text })),
  ];
}

function hopOf(hop) {
  const signs = { added: "+", removed: "−", same: "" };
  const words = { added: "agregada: ", removed: "quitada: ", same: "" };
  const lines = hop.fields.map((field) =>
    el(
      "li",
      { className: field.change },
      el("span", { className: "sign", textContent: signs[field.change], attributes: { "aria-hidden": "true" } }),
      el(
        "span",
        { className: "line" },
        el("span", { className: "visually-hidden", textContent: words[field.change] }),
        el("span", { className: "text mono" }, el("b", { textContent: `${field.name}: ` }), field.value),
        field.why
          ? el("span", { className: "why", textContent: field.source ? `${field.why} (${field.source})` : field.why })
          : null,
      ),
    ),
  );
  return el(
    "section",
    { className: "hop" },
    el("h3", { textContent: hop.title }),
    el("p", { className: "start-line mono", textContent: hop.start_line }),
    el("p", { className: "note", textContent: hop.note }),
    lines.length ? el("ul", { className: "fields", attributes: { role: "list" } }, ...lines) : null,
  );
}

// Once more

async function replay(edited) {
  const { number } = await order(`api/exchanges/${chosen}/replay`, edited);
  announce(`Repetida: es la petición ${number}.`);
  await refresh();
  await choose(number, true);
}

function openEditor() {
  const { edit } = detail;
  byId("edit-method").value = edit.method;
  byId("edit-target").value = edit.target;
  byId("edit-fields").value = edit.fields;
  byId("edit-content").value = edit.is_whole ? (edit.content ?? "") : "";
  byId("edit-content").disabled = edit.content === null && edit.is_whole;
  byId("edit-content-hint").textContent = !edit.is_whole
    ? "No llegó entero, o se guardó recortado: escriba el contenido que se ha de enviar."
    : edit.content === null
      ? "No es texto: se envía como era."
      : "El largo lo calcula el cliente del túnel.";
  byId("edit-error").textContent = "";
  byId("editor").showModal();
}

byId("editor-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const content = byId("edit-content");
  // What was not touched goes as it was, to the byte.
  const isTouched = !content.disabled && (!detail.edit.is_whole || content.value !== detail.edit.content);
  try {
    await replay({
      method: byId("edit-method").value,
      target: byId("edit-target").value,
      fields: byId("edit-fields").value,
      content: isTouched ? content.value : null,
    });
    byId("editor").close();
  } catch (error) {
    byId("edit-error").textContent = error.message;
  }
});

byId("edit-cancel").addEventListener("click", () => byId("editor").close());
byId("edit").addEventListener("click", openEditor);
byId("replay").addEventListener("click", () => replay().catch(complain));

// The link and its frames

function frameRow(frame, isOwn) {
  const left = frame.left_bytes === null ? "" : bytes(frame.left_bytes);
  const ofWindow = frame.window_bytes === null ? "" : ` de ${bytes(frame.window_bytes)}`;
  return el(
    "tr",
    {},
    el("td", { className: "num", textContent: moment(frame.at) }),
    el("td", { className: "arrow", textContent: frame.is_outgoing ? "→ nodo de salida" : "← nodo de salida" }),
    el("td", { className: "kind", textContent: frame.kind }),
    isOwn ? null : el("td", { className: "num", textContent: frame.stream_id }),
    el("td", { className: "num", textContent: bytes(frame.size_bytes) }),
    el("td", { className: "num", textContent: left + ofWindow }),
    el("td", { textContent: frame.detail }),
  );
}

function framesTable(frames, isOwn) {
  const headings = [["Hora", "num"], ["Sentido"], ["Tipo"], ["Stream", "num"], ["Contenido", "num"],
    ["Queda por enviar", "num"], ["Dice"]];
  const rows = frames.slice(-LAST_SHOWN).reverse().map((frame) => frameRow(frame, isOwn));
  return table("frames", headings.filter(([name]) => !isOwn || name !== "Stream"), rows, "Tramas, la última primero");
}

async function showOwnFrames() {
  const panel = byId("panel-frames");
  if (!detail.link) {
    panel.replaceChildren(
      el("p", { className: "note", textContent: "Una repetición no pasa por el enlace: no tiene tramas." }),
    );
    return;
  }
  const number = chosen;
  const { frames } = await ask(`api/frames?link=${detail.link}&stream=${detail.stream_id}`);
  if (number !== chosen) {
    return;
  }
  panel.replaceChildren(
    el("p", { className: "hint", textContent: `El stream ${detail.stream_id} del enlace ${detail.link}, trama a trama.` }),
    frames.length
      ? framesTable(frames, true)
      : el("p", { className: "note", textContent: "Ya no están guardadas." }),
  );
}

async function showLink() {
  const wanted = byId("stream").value.trim();
  const parameters = new URLSearchParams(/^\d+$/.test(wanted) ? { stream: wanted } : {});
  const { links, frames } = await ask(`api/frames?${parameters}`);
  byId("links").replaceChildren(...links.map(linkOf));
  const position = byId("frames").firstElementChild?.scrollLeft ?? 0;
  byId("frames").replaceChildren(
    frames.length ? framesTable(frames, false) : el("p", { className: "empty", textContent: "Ninguna trama guardada." }),
  );
  byId("frames").firstElementChild.scrollLeft = position;
}

function linkOf(link) {
  const isOpen = link.closed_at === null;
  const meters = [
    ["Ida y vuelta, la última", link.last_round_trip_s ? seconds(link.last_round_trip_s) : "—"],
    ["Ida y vuelta, la menor", link.round_trip_s ? seconds(link.round_trip_s) : "—"],
    ["Recibido", `${link.frames_in} tramas, ${bytes(link.bytes_in)}`],
    ["Enviado", `${link.frames_out} tramas, ${bytes(link.bytes_out)}`],
    ["Streams abiertos", link.streams.filter((stream) => stream.is_open).length],
  ];
  const state = isOpen ? `abierto desde las ${moment(link.opened_at)}` : `cerrado a las ${moment(link.closed_at)} (${link.reason})`;
  return el(
    "section",
    { className: "card" },
    el("h2", { textContent: `Enlace ${link.number} con ${link.exit_node}` }),
    el("p", { className: "hint", textContent: state }),
    el(
      "dl",
      { className: "meters" },
      ...meters.map(([name, value]) => el("div", {}, el("dt", { textContent: name }), el("dd", { textContent: value }))),
    ),
    link.streams.length ? streamsOf(link) : null,
  );
}

function streamsOf(link) {
  const rows = link.streams.slice(0, 12).map((stream) => {
    const fill = el("span");
    fill.style.width = `${stream.window_bytes ? (100 * stream.left_bytes) / stream.window_bytes : 0}%`;
    return el(
      "tr",
      {},
      el("td", { className: "num", textContent: stream.stream_id }),
      el(
        "td",
        {},
        stream.exchange
          ? el("button", {
              type: "button",
              className: "link-button",
              textContent: `petición ${stream.exchange}`,
              dataset: { goto: stream.exchange },
            })
          : stream.is_tcp
            ? "TCP"
            : "",
      ),
      el("td", { textContent: stream.is_open ? "abierto" : "terminado" }),
      el("td", { className: "num", textContent: bytes(stream.bytes_in) }),
      el("td", { className: "num", textContent: bytes(stream.bytes_out) }),
      el(
        "td",
        {},
        `${bytes(stream.left_bytes)} de ${bytes(stream.window_bytes)}`,
        el("div", { className: "window", attributes: { "aria-hidden": "true" } }, fill),
      ),
      el("td", { className: "num", textContent: bytes(stream.credit_bytes) }),
    );
  });
  const headings = [["Stream", "num"], ["Es"], ["Estado"], ["Recibido", "num"], ["Enviado", "num"],
    ["Nuestra ventana"], ["Crédito para enviar", "num"]];
  return table("streams", headings, rows, `Los últimos streams del enlace ${link.number}`);
}

// Tabs, by the pattern of the ARIA Authoring Practices: arrows move between them

for (const list of document.querySelectorAll('[role="tablist"]')) {
  const tabs = [...list.querySelectorAll('[role="tab"]')];
  const select = (tab) => {
    for (const other of tabs) {
      const isSelected = other === tab;
      other.setAttribute("aria-selected", isSelected);
      other.tabIndex = isSelected ? 0 : -1;
      byId(other.getAttribute("aria-controls")).hidden = !isSelected;
    }
    if (tab.id === "tab-link") {
      showLink().catch(complain);
    } else if (tab.id === "tab-frames" && detail) {
      showOwnFrames().catch(complain);
    }
  };
  list.addEventListener("click", (event) => {
    const tab = event.target.closest('[role="tab"]');
    if (tab) {
      select(tab);
    }
  });
  list.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1 };
    if (event.key in steps) {
      const next = tabs[(tabs.indexOf(document.activeElement) + steps[event.key] + tabs.length) % tabs.length];
      select(next);
      next.focus();
      event.preventDefault();
    }
  });
}

// The list's mouse and keyboard

byId("rows").addEventListener("click", (event) => {
  const line = event.target.closest("tr");
  if (line) {
    choose(Number(line.dataset.number), event.target.closest(".open") !== null && isNarrow()).catch(complain);
  }
});

byId("rows").addEventListener("keydown", (event) => {
  const line = event.target.closest("tr");
  const next = { ArrowDown: line?.nextElementSibling, ArrowUp: line?.previousElementSibling }[event.key];
  if (next) {
    event.preventDefault();
    next.querySelector(".open").focus();
    if (!isNarrow()) {
      choose(Number(next.dataset.number)).catch(complain);
    }
  }
});

const isNarrow = () => getComputedStyle(byId("back")).display !== "none";

byId("back").addEventListener("click", async () => {
  const line = shown.get(chosen);
  await choose(0);
  (line?.querySelector(".open") ?? byId("lista")).focus();
});

byId("links").addEventListener("click", (event) => {
  const number = Number(event.target.dataset.goto);
  if (number) {
    byId("tab-exchanges").click();
    choose(number, true).catch(complain);
  }
});

// Filters and orders

let typing = null;

function filterChanged() {
  seen = 0;
  isKnown = false; // what is found is not news
  shown.clear();
  byId("rows").replaceChildren();
  refresh().catch(complain);
}

byId("text").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(filterChanged, 200);
});
for (const id of ["method", "status"]) {
  byId(id).addEventListener("change", filterChanged);
}
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("stream").addEventListener("input", () => showLink().catch(complain));

byId("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  byId("pause").setAttribute("aria-pressed", isPaused);
  byId("pause").textContent = isPaused ? "Seguir" : "Pausar";
  showState(isPaused ? "waiting" : "live", isPaused ? "En pausa" : "En vivo");
  if (!isPaused) {
    look();
  }
});

byId("clear").addEventListener("click", async () => {
  try {
    await order("api/clear");
    await choose(0);
    await refresh();
    announce("La lista quedó vacía.");
  } catch (error) {
    complain(error);
  }
});

// Hearing of changes

let isLooking = false;
let isStale = false;

async function look() {
  if (isPaused) {
    return;
  }
  if (isLooking) {
    isStale = true;
    return;
  }
  isLooking = true;
  try {
    do {
      isStale = false;
      await refresh();
    } while (isStale);
    byId("banner").hidden = true;
    showState("live", "En vivo");
  } catch (error) {
    showState("lost", "Sin conexión");
    complain(error);
  } finally {
    isLooking = false;
  }
}

let events = null;
let polling = null;

function listen() {
  events = new EventSource("api/events");
  events.onopen = () => {
    clearInterval(polling);
    polling = null;
    look();
  };
  events.onmessage = look;
  events.onerror = () => {
    polling ??= setInterval(look, POLL_MS);
  };
}

look().then(() => {
  const asked = Number(location.hash.slice(1));
  if (asked) {
    choose(asked).catch(complain);
  }
});
listen();
