// How the page makes its elements. Texts become text nodes, never markup: whatever a run says is only shown.

type Attributes = Readonly<Record<string, string | number | boolean | null>>;
type Child = Node | string;

export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name, attributes: Attributes = {}, ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  dress(element, attributes);
  element.append(...children);
  return element;
}

export function draw<Name extends keyof SVGElementTagNameMap>(
  name: Name, attributes: Attributes = {}, ...children: Child[]
): SVGElementTagNameMap[Name] {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  dress(element, attributes);
  element.append(...children);
  return element;
}

export function dress(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
}

/** The element of the page's skeleton with this id. */
export function part(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no part "${id}"`);
  return found;
}

/** A vector image's title: what a pointer over it is told. */
export const titled = (text: string): SVGTitleElement => draw('title', {}, text);
