// The page's own life: which view is shown, the swap without a flash, and the server's events.
// Every sentence and every decision about the letter comes from the server.

const root = document.documentElement;
const screenBox = document.getElementById("screen");
const stage = document.getElementById("stage");
const tabs = [...document.querySelectorAll('[role="tab"]')];
const readers = [...document.querySelectorAll(".readers button")];
const wanted = { view: root.dataset.view, reader: root.dataset.reader, letter: root.dataset.letter };
const scrolls = new Map(); // view → how far its reader has scrolled

let front = screenBox.querySelector("iframe");
let coming = null;
let source = null;

// ---- the letter: the next one loads behind the one that is shown, then takes its place

function load() {
  coming?.remove();
  const next = front.cloneNode(false);
  next.className = "coming";
  next.src = `letter/${wanted.view}?reader=${wanted.reader}&letter=${wanted.letter}`;
  const view = wanted.view;
  next.addEventListener("load", () => next === coming && swap(next, view), { once: true });
  coming = next;
  screenBox.append(next);
}

function swap(next, view) {
  const hadFocus = document.activeElement === front;
  scrolls.set(root.dataset.view, front.contentWindow.scrollY);
  root.dataset.view = view;
  fit();
  next.contentWindow.scrollTo({ top: scrolls.get(view) ?? 0, behavior: "instant" });
  next.className = "front";
  front.remove();
  front = next;
  coming = null;
  front.contentWindow.addEventListener("keydown", onKey);
  if (hadFocus) front.focus();
}

// A computer's width does not fit on a phone: it is shown smaller there, not narrower.
function fit() {
  const width = Number(getComputedStyle(root).getPropertyValue("--frame-width")) || 0;
  const scale = width ? Math.min(1, stage.clientWidth / width) : 1;
  stage.style.setProperty("--scale", String(scale));
}

// ---- what the person chooses

function choose({ view = wanted.view, reader = wanted.reader }) {
  if (view === wanted.view && reader === wanted.reader) return;
  const isOtherReader = reader !== wanted.reader;
  Object.assign(wanted, { view, reader });
  for (const tab of tabs) {
    const isChosen = tab.dataset.view === view;
    tab.setAttribute("aria-selected", String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
    if (isChosen) tab.scrollIntoView({ block: "nearest", inline: "center" });
  }
  for (const button of readers) {
    button.setAttribute("aria-pressed", String(button.dataset.reader === reader));
  }
  stage.setAttribute("aria-labelledby", `tab-${view}`);
  history.replaceState(null, "", `?view=${view}&reader=${reader}`);
  if (isOtherReader) listen();
  load();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const tab = tabs[Number(event.key) - 1];
  if (tab) choose({ view: tab.dataset.view });
}

function onTabKey(event) {
  const at = tabs.indexOf(event.currentTarget);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const tab = tabs[(to + tabs.length) % tabs.length];
  tab.focus();
  choose({ view: tab.dataset.view });
}

// ---- what the server says

function apply({ title, state, letter, pieces }) {
  document.title = title;
  root.dataset.state = state;
  for (const [id, html] of Object.entries(pieces)) {
    const place = document.getElementById(id);
    if (place.innerHTML !== html) place.innerHTML = html; // an untouched list is not read out again
  }
  if (letter === wanted.letter) return;
  wanted.letter = letter;
  load();
}

function listen() {
  source?.close();
  const mine = new EventSource(`events?reader=${wanted.reader}`);
  source = mine;
  mine.addEventListener("preview", (event) => apply(JSON.parse(event.data)));
  mine.addEventListener("open", () => showLost(false));
  mine.addEventListener("error", () => {
    showLost(true);
    // Some browsers give up at a refused connection; the page should outlive a restart.
    if (mine.readyState === EventSource.CLOSED) setTimeout(() => mine === source && listen(), 1500);
  });
}

function showLost(isLost) {
  document.getElementById("lost").hidden = !isLost;
  root.toggleAttribute("data-lost", isLost);
}

// ---- begin

for (const tab of tabs) {
  tab.addEventListener("click", () => choose({ view: tab.dataset.view }));
  tab.addEventListener("keydown", onTabKey);
}
for (const button of readers) {
  button.addEventListener("click", () => choose({ reader: button.dataset.reader }));
}
document.addEventListener("keydown", onKey);
front.contentWindow?.addEventListener("keydown", onKey);
front.addEventListener("load", () => front.contentWindow.addEventListener("keydown", onKey), {
  once: true,
});
document.getElementById(`tab-${wanted.view}`).scrollIntoView({ block: "nearest", inline: "center" });
new ResizeObserver(fit).observe(stage);
fit();
listen();
