// What a browser can do with a token: read it, and try to change it.

/** @param {string} part */
function decode(part) {
  const bytes = Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (character) =>
    character.charCodeAt(0),
  );
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** @param {object} content */
function encode(content) {
  const bytes = new TextEncoder().encode(JSON.stringify(content));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

/** Seconds until it expires. @param {string} token */
export function secondsLeft(token) {
  return Math.ceil(decode(token.split('.')[1] ?? '').exp - Date.now() / 1_000);
}

/** The same header and signature around the claims of somebody else. @param {string} token */
export function forge(token) {
  const [header, payload = '', signature] = token.split('.');
  const claims = decode(payload);
  const forged = { ...claims, sub: crypto.randomUUID(), name: 'Mallory', exp: claims.exp + 86_400 };
  return `${header}.${encode(forged)}.${signature}`;
}
