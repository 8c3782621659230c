// Keeps a page fresh and a log flowing. Everything works without it, only not by itself.
"use strict";
(() => {
  const LINES_MAX = 20000;

  const log = document.querySelector("[data-stream]");
  const follow = document.getElementById("follow");
  const state = document.getElementById("log-state");

  function say(word) {
    if (state) state.textContent = word;
  }

  function append(text) {
    // Text nodes only: what a log says is never anything but text.
    log.append(document.createTextNode(text + "\n"));
    while (log.childNodes.length > LINES_MAX) log.firstChild.remove();
    if (!follow || follow.checked) log.scrollTop = log.scrollHeight;
  }

  if (log && window.EventSource) {
    const source = new EventSource(log.dataset.stream);
    source.onopen = () => say("live");
    source.onmessage = (event) => append(event.data);
    source.onerror = () => say("reconnecting");
    source.addEventListener("done", () => {
      source.close();
      say("ended");
      if (!log.textContent) append("(the log is empty)");
    });
    log.addEventListener("wheel", (event) => {
      if (event.deltaY < 0 && follow) follow.checked = false;
    }, { passive: true });
  }

  // Parts that say how things stand are fetched again and put in place.
  const every = Number(document.body.dataset.live || 0) * 1000;
  async function refresh() {
    if (document.hidden || document.querySelector("form:focus-within")) return true;
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!answer.ok || answer.redirected) return false;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-swap]")) {
      const other = fresh.getElementById(part.id);
      if (other && other.innerHTML !== part.innerHTML) part.innerHTML = other.innerHTML;
    }
    // A stage that began since has a log of its own.
    const next = fresh.querySelector("[data-stream]");
    if (next && (!log || (next.dataset.stream !== log.dataset.stream && !location.search))) location.reload();
    return fresh.body.dataset.live !== undefined;
  }
  async function loop() {
    let goes = true;
    try {
      goes = await refresh();
    } catch {
      // The server may be starting again.
    }
    if (goes) setTimeout(loop, every);
  }
  if (every > 0) setTimeout(loop, every);
})();
