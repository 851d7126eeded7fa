// What every page has: parts that need scripts, folds that open for printing, layers of pictures.
// Everything on the page is readable without it.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");
  const each = (selector, act) => document.querySelectorAll(selector).forEach(act);

  // Folded parts are opened for printing and folded again.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open], .onscreen)")];
    folded.forEach((part) => { part.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((part) => { part.open = false; }));

  // Slices: a box shows or hides every line of its layer.
  each("input[data-layer]", (box) => {
    const show = () => each(`.slice [data-in="${box.dataset.layer}"]`, (line) => {
      line.classList.toggle("off", !box.checked);
    });
    box.addEventListener("change", show);
    show();
  });
})();
