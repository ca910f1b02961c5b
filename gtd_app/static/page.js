// The page of the tasks: lists, adds, completes, deletes, and asks again every two seconds.
//
// Asking again (and not a stream of events) goes through every proxy, needs no connection that stays open on a
// server with a few threads, and costs an unchanged list a few bytes: the server answers 304.
//
// A task's words are anybody's: they enter the document as text only (textContent), never as markup.

"use strict";

(() => {
  const POLL_MS = 2000;
  // A request that takes longer counts as lost, so that a computer that sleeps does not look alive.
  const TIMEOUT_MS = 8000;
  // How long a task that came from outside stays marked.
  const FRESH_MS = 12000;

  const tasksUrl = new URL(document.body.dataset.tasksUrl, document.baseURI).href;
  const byId = (id) => document.getElementById(id);
  const list = byId("tasks");
  const form = byId("add-form");
  const title = byId("title");
  const description = byId("description");
  const template = byId("task-template").content.firstElementChild;

  const rows = new Map(); // id -> the <li> that shows it
  const added = new Set(); // ids that this page added: they are no surprise
  let etag = null; // of the list that is shown
  let known = false; // whether a list has been shown yet
  let changes = 0; // orders sent by this page and not answered yet
  let queue = Promise.resolve(); // of those orders: each waits for the one before
  let round = 0; // counts the readings, so that one that a change has overtaken is thrown away
  let adding = false; // whether a new task is on its way
  let timer = null;
  let shownState = "waiting";
  let shownReason = "";

  // Talking to the API

  class Refusal extends Error {} // by the application, in its own words
  class Unreachable extends Error {}

  async function ask(url, options = {}) {
    let response;
    try {
      response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS), ...options });
    } catch {
      throw new Unreachable("Nadie responde en esta dirección.");
    }
    if (response.status === 304) {
      return { response, answer: null };
    }
    const answer = await response.json().catch(() => null);
    const ours = answer?.task || answer?.tasks || answer?.result || answer?.error?.message;
    if (!ours) {
      // A proxy or the tunnel answered in the application's place.
      throw new Unreachable(`En lugar de la aplicación llegó una respuesta HTTP ${response.status}.`);
    }
    if (response.ok) {
      return { response, answer };
    }
    throw new (response.status >= 500 ? Unreachable : Refusal)(answer.error.message);
  }

  const send = (method, url, body) =>
    ask(url, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

  const urlOf = (id) => `${tasksUrl}/${id}`;

  // Reading the list

  async function refresh() {
    const mine = ++round;
    try {
      const { response, answer } = await ask(tasksUrl, etag ? { headers: { "If-None-Match": etag } } : {});
      if (mine !== round) {
        return;
      }
      showLink("live");
      if (answer) {
        show(answer.tasks);
        etag = response.headers.get("ETag");
      }
    } catch (error) {
      if (mine === round) {
        showLink("lost", error.message);
      }
    }
  }

  function schedule() {
    clearTimeout(timer);
    if (!document.hidden) {
      timer = setTimeout(poll, POLL_MS);
    }
  }

  async function poll() {
    // While an order of ours is on its way its outcome is about to be read anyway.
    if (changes === 0) {
      await refresh();
    }
    schedule();
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : poll()));
  window.addEventListener("online", poll);

  // Run an order of the visitor after those before it, then show what the list became.
  function change(order) {
    changes += 1;
    round += 1; // a reading that is on its way is out of date
    const outcome = queue.then(order);
    queue = outcome.then(
      () => settle(),
      (error) => settle(error)
    );
    return Promise.all([outcome, queue]);
  }

  async function settle(error) {
    changes -= 1;
    if (error instanceof Unreachable) {
      showLink("lost", error.message);
    } else if (changes === 0) {
      await refresh();
    }
  }

  // Showing

  function showLink(state, reason = "") {
    const lost = state === "lost";
    if (state === shownState && reason === shownReason) {
      return; // an alert that is written again is read aloud again
    }
    shownState = state;
    shownReason = reason;
    byId("link-state").dataset.state = state;
    byId("link-text").textContent = lost ? "Sin conexión" : "Se actualiza sola";
    byId("banner").hidden = !lost;
    byId("banner-title").textContent = lost ? "Sin conexión con la aplicación." : "";
    byId("banner-text").textContent = lost ? `${reason} Esta página vuelve a intentarlo sola.` : "";
  }

  function show(tasks) {
    const arrived = tasks.filter((task) => known && !rows.has(task.id) && !added.has(task.id));
    const present = new Set(tasks.map((task) => task.id));
    for (const [id, row] of rows) {
      if (!present.has(id)) {
        remove(id, row);
      }
    }
    // The newest first: what arrives is seen without scrolling.
    let next = null;
    for (const task of tasks) {
      const row = rows.get(task.id) ?? createRow(task.id);
      fill(row, task);
      if (row.nextElementSibling !== next || row.parentNode !== list) {
        list.insertBefore(row, next);
      }
      next = row;
    }
    for (const task of arrived) {
      markFresh(rows.get(task.id));
    }
    if (arrived.length > 0) {
      announce(
        arrived.length === 1
          ? `Llegó una tarea nueva: ${arrived[0].title}`
          : `Llegaron ${arrived.length} tareas nuevas.`
      );
    }
    summarise(tasks);
    byId("tasks-section").removeAttribute("aria-busy");
    known = true;
  }

  function createRow(id) {
    const row = template.cloneNode(true);
    const box = row.querySelector(".done");
    box.id = `task-${id}`;
    row.querySelector(".task-title").htmlFor = box.id;
    row.querySelector(".number").textContent = `id ${id}`;
    box.addEventListener("change", () => complete(id, box));
    // The second half of a double click would fall on the task that takes this one's place.
    row.querySelector(".delete").addEventListener("click", (event) => event.detail > 1 || erase(id, row));
    rows.set(id, row);
    return row;
  }

  function fill(row, task) {
    setText(row.querySelector(".task-title bdi"), task.title);
    setText(row.querySelector(".task-description"), task.description);
    row.querySelector(".delete").setAttribute("aria-label", `Borrar la tarea ${task.title}`);
    row.querySelector(".done").checked = task.done;
    row.classList.toggle("is-done", task.done);
  }

  function setText(element, text) {
    if (element.textContent !== text) {
      element.textContent = text;
    }
  }

  function remove(id, row) {
    if (row.contains(document.activeElement)) {
      // Whoever moves by keyboard stays where they were: on the next task, or at the list's name.
      const neighbour = row.nextElementSibling ?? row.previousElementSibling;
      (neighbour?.querySelector(".delete") ?? byId("lista")).focus();
    }
    row.remove();
    rows.delete(id);
    added.delete(id); // after a reset the number may come back, as somebody else's
  }

  function markFresh(row) {
    row.classList.add("is-fresh");
    row.querySelector(".badge").hidden = false;
    setTimeout(() => {
      row.classList.remove("is-fresh");
      row.querySelector(".badge").hidden = true;
    }, FRESH_MS);
  }

  function summarise(tasks) {
    const pending = tasks.filter((task) => !task.done).length;
    const total = tasks.length === 1 ? "1 tarea" : `${tasks.length} tareas`;
    const left = pending === 1 ? "1 pendiente" : `${pending} pendientes`;
    setText(byId("summary"), tasks.length === 0 ? "" : `${total}, ${left}`);
    byId("empty").hidden = tasks.length > 0;
  }

  function announce(text) {
    byId("announcer").textContent = text;
  }

  // Orders of the visitor

  function showFormError(message) {
    byId("form-error").textContent = message;
    title.setAttribute("aria-invalid", message ? "true" : "false");
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (adding) {
      return; // a second Enter while the first is on its way
    }
    const words = { title: title.value.trim(), description: description.value.trim() };
    if (!words.title) {
      showFormError("Escriba el título de la tarea.");
      title.focus();
      return;
    }
    adding = true;
    try {
      await change(async () => {
        const { answer } = await send("POST", tasksUrl, words);
        added.add(answer.task.id);
      });
      showFormError("");
      form.reset();
      announce(`Se agregó la tarea ${words.title}`);
    } catch (error) {
      const unknown = "No hubo respuesta. El texto sigue aquí: mire la lista antes de enviarlo otra vez.";
      showFormError(error instanceof Refusal ? error.message : unknown);
    }
    adding = false;
    title.focus();
  });

  title.addEventListener("input", () => showFormError(""));

  async function complete(id, box) {
    const done = box.checked;
    try {
      await change(() => send("PUT", urlOf(id), { done }));
      announce(done ? "Tarea hecha." : "Tarea pendiente otra vez.");
    } catch (error) {
      box.checked = !done;
      announce(error.message);
    }
  }

  async function erase(id, row) {
    const name = row.querySelector(".task-title").textContent;
    try {
      await change(() => ask(urlOf(id), { method: "DELETE" }));
      announce(`Se borró la tarea ${name}`);
    } catch (error) {
      announce(error.message); // somebody else deleted it first, or there is no connection
    }
  }

  // Start

  byId("command").textContent =
    `curl -X POST -d '{ "title": "write a book" }' -H "Content-type: application/json" ${tasksUrl}`;
  poll();
})();
