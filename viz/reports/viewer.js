// Joins the controls of viewer.html to k3d's canvas; K3DInstance is k3d's own public interface.
(function (K) { const $ = (s) => document.querySelector(s), all = (s) => document.querySelectorAll(s);
const M = JSON.parse($("#view-data").textContent), off = new Set();
const objects = Object.values(K.getWorld().ObjectsListJson), mm = (um) => `at ${(um / 1e3).toFixed(2)} mm`;
let shown = 0, wanted = M.days.length - 1, busy = false, again = false, timer = 0;
// A cut looks solid because the back of each surface has its colour, without light.
for (const o of objects.filter((each) => each.custom_data.inside !== undefined))
  objects.push({...o, id: o.id + 1e6, visible: false, side: "back", color: 0, emissive: o.custom_data.inside});
const on = (ids, f, t) => all(ids).forEach((e) => { e.oninput = () => { clearTimeout(t); t = setTimeout(f, 60); }; });
// Only what is seen is on the graphics card; one change at a time, the last wish wins.
async function update() {
  if ((again = busy)) return;
  do {
    [busy, again, shown] = [true, false, wanted];
    for (const o of objects) {
      const d = o.custom_data, see = !off.has(d.row) && d.first <= shown && shown <= d.last;
      if (o.visible !== see) { o.visible = see; await K.reload(o, null, true); }
    }
  } while (again);
  busy = false;
  const day = $("#day").textContent = "day " + +M.days[shown].toPrecision(4);
  $("#time").setAttribute("aria-valuetext", day);
  $("#caption").textContent = [day, M.facts[shown]].filter(Boolean).join(" · ");
  for (const e of all("[data-value]")) e.textContent = M.values[e.dataset.value][shown];
  K.render(true);
}
const go = (k) => { $("#time").value = wanted = (k + M.days.length) % M.days.length; return update(); };
function cut() {
  const a = "xyz".indexOf($("#cut-axis").value), share = $("#cut").value / 100, sign = M.corner[a];
  const at = M.size[a] * (sign > 0 ? 1 - share : share), normal = [0, 1, 2].map((i) => (i === a ? -sign : 0));
  K.setClippingPlanes(share ? [[...normal, sign * at]] : []);
  $("#cut-at").textContent = share ? mm(at) : "none";
}
async function slice() {
  const axis = $("#slice-axis").value, a = "xyz".indexOf(axis), share = $("#slice").value / 100;
  for (const o of objects.filter((each) => each.type === "VolumeSlice")) {
    const layer = Math.round(share * ((o.volume[0] || o.volume).shape[2 - a] - 1));
    const place = {slice_x: -1, slice_y: -1, slice_z: -1, ["slice_" + axis]: layer};
    if (Object.assign(o, place).visible) await K.reload(o, place);
  }
  $("#slice-at").textContent = mm(share * M.size[a]);
}
function play(on) {
  clearInterval(timer);
  timer = on ? setInterval(() => busy || go(shown + 1), 500) : 0;
  [$("#play").textContent, $("#play").ariaLabel] = on ? ["❚❚", "Pause"] : ["▶", "Play"];
}
$("#play").onclick = () => play(!timer);
on("#time", () => go(+$("#time").value)); on("#cut, #cut-axis", cut); on("#slice, #slice-axis", slice);
for (const e of all("[data-row]")) e.onchange = () => { off[e.checked ? "delete" : "add"](e.dataset.row); update(); };
addEventListener("keydown", (e) => {
  const act = {ArrowRight: () => go(wanted + 1), ArrowLeft: () => go(wanted - 1), " ": () => play(!timer)}[e.key];
  if (act && !/SELECT|INPUT|BUTTON/.test(e.target.tagName)) { e.preventDefault(); act(); }
});
const view = $("#canvasTarget"), tall = Math.max(1, view.offsetHeight / view.offsetWidth);
K.setCamera([...M.eye.map((from, i) => M.size[i] / 2 + from * tall), ...M.size.map((edge) => edge / 2), ...M.up]);
for (const o of objects) if (!o.visible) K.reload(o, null, true);  // takes it off the card
cut();
Promise.resolve($("#slice") && slice()).then(update).then(() => { $("#wait").hidden = document.body.dataset.ready = true; });
})(K3DInstance);
