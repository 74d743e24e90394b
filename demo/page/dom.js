/**
 * The element of that id.
 *
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} kind
 */
export function find(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) {
    throw new Error(`there is no #${id}`);
  }
  return element;
}

/**
 * A new element with text in it: whatever a server sent stays text.
 *
 * @param {string} tag
 * @param {string} text
 * @param {string} [className]
 */
export function make(tag, text, className = '') {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = className;
  return element;
}

/**
 * Shows the members of an object in a description list.
 *
 * @param {Element} list
 * @param {object} members
 */
export function describe(list, members) {
  list.replaceChildren(
    ...Object.entries(members).flatMap(([name, value]) => [
      term(name),
      typeof value === 'string'
        ? make('dd', value)
        : make('dd', JSON.stringify(value), value === null ? 'nothing' : 'value'),
    ]),
  );
}

/** A name that may be broken after each `_`. @param {string} name */
function term(name) {
  const element = document.createElement('dt');
  for (const part of name.split(/(?<=_)/)) {
    element.append(part, document.createElement('wbr'));
  }
  return element;
}
