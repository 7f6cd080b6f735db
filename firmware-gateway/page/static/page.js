// Keeps the parts of the page fresh that say so; without it the page reads just as well.
"use strict";
(() => {
  const lost = document.getElementById("lost");
  const tick = async () => {
    for (const old of document.hidden ? [] : document.querySelectorAll("[data-poll]")) {
      try {
        const r = await fetch(old.dataset.poll, { headers: { "X-Part": "1" }, signal: AbortSignal.timeout(8000) });
        if (r.status === 401) { location.reload(); return; }
        if (!r.ok) throw new Error(r.status);
        const made = document.createElement("template");
        made.innerHTML = await r.text();
        const open = [...old.querySelectorAll("details[open]")].map((d) => d.id);
        old.replaceWith(made.content);
        for (const id of open) { const d = id && document.getElementById(id); if (d) d.open = true; }
        lost.hidden = true;
      } catch { lost.hidden = false; }
    }
    setTimeout(tick, 2000);
  };
  setTimeout(tick, 2000);
})();
