// What a test asks a page about itself; run by the test, never served.
(() => {
  const rgba = (text) => {
    const found = text.match(/rgba?\(([^)]+)\)/);
    if (!found) return [0, 0, 0, 1];
    const [r, g, b, a = 1] = found[1].split(/[ ,/]+/).filter(Boolean).map(Number);
    return [r, g, b, a];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const seen = (element) => {
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    return box.width > 1 && box.height > 1 && style.visibility === "visible" && !element.closest(".aside, caption") && box.right > 0;
  };
  const name = (element) => `${element.tagName.toLowerCase()}.${element.className || ""} ${element.textContent.trim().slice(0, 40)}`;

  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !seen(element)) continue;
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const wanted = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const is = contrast(rgba(style.color), ground(element));
    if (is < wanted) faint.push(`${is.toFixed(2)} ${name(element)}`);
    if (size < 11.5) faint.push(`${size}px ${name(element)}`);
  }
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea, button")) {
    if (!seen(field)) continue;
    const style = getComputedStyle(field);
    const around = ground(field.parentElement);
    const is = Math.max(contrast(rgba(style.borderTopColor), around), contrast(rgba(style.backgroundColor), around));
    if (is < 3) faint.push(`edge ${is.toFixed(2)} ${name(field)} ${field.name}`);
    const text = contrast(rgba(style.color), over(rgba(style.backgroundColor), around));
    if (text < 4.5) faint.push(`text ${text.toFixed(2)} ${field.name}`);
  }
  const small = [];
  for (const target of document.querySelectorAll("button, .button, nav a, summary, select, input:not([type=hidden])")) {
    const box = target.getBoundingClientRect();
    if (seen(target) && target.type !== "checkbox" && target.type !== "radio" && box.height < 24) small.push(name(target));
  }
  const wide = [...document.querySelectorAll("main *, header *, footer *")]
    .filter((one) => seen(one) && !one.closest(".scroll") && one.getBoundingClientRect().right > innerWidth + 1)
    .map(name);
  return { faint, small, wide, overflow: document.documentElement.scrollWidth - innerWidth };
})();
