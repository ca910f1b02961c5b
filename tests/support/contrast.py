"""How well the text of a page stands out."""

__all__ = ["CONTRASTS"]

CONTRASTS = """
const channel = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
const parse = (color) => color.match(/[\\d.]+/g).map(Number);
const luminance = ([red, green, blue]) =>
  [red, green, blue].map((value) => channel(value / 255)).reduce((sum, value, i) =>
    sum + value * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (element) => {
  for (; element; element = element.parentElement) {
    const color = parse(getComputedStyle(element).backgroundColor);
    if (color.length === 3 || color[3] === 1) return color;
  }
  return [255, 255, 255];
};
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const element = node.parentElement;
  if (!node.data.trim() || !element.checkVisibility() || element.closest("noscript")) continue;
  const [text, ground] = [parse(getComputedStyle(element).color), behind(element)];
  const [light, dark] = [luminance(text), luminance(ground)].sort((a, b) => b - a);
  found.push([(light + 0.05) / (dark + 0.05), node.data.trim()]);
}
return found;
"""
"""A script for a browser: the contrast of every piece of visible text with what is behind it, by the formula
of WCAG 2.2; it returns pairs of the ratio and the text."""
