import { describe, find, make } from './dom.js';
import { show } from './live.js';
import { forge, secondsLeft } from './token.js';

const FLOOD = 200;
const AT_A_TIME = 20;

/** @param {string} id */
const button = (id) => find(id, HTMLButtonElement);
const admits = find('admits', HTMLSelectElement);
const said = find('said', HTMLElement);
const tokenBox = find('token', HTMLElement);
const expiry = find('expiry', HTMLElement);

let token = '';
let userId = '';

/**
 * @param {string} path
 * @returns {Promise<any>}
 */
async function tell(path) {
  const response = await fetch(`/stand-in/${path}`, { method: 'POST' });
  return response.status === 204 ? undefined : response.json();
}

/** @param {string} path */
function request(path) {
  return fetch(`${path}?admits=${admits.value}`, { headers: { 'x-stack-access-token': token } });
}

/** @param {string} next */
function take(next) {
  token = next;
  tokenBox.replaceChildren(
    ...next.split('.').map((part, index) => make('span', part, `part-${index}`)),
  );
  for (const id of ['call', 'flood', 'expire', 'forge']) {
    button(id).disabled = false;
  }
  showExpiry();
}

/** @param {number} seconds */
function span(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes}:${String(seconds % 60).padStart(2, '0')} min`
    : `${Math.floor(minutes / 60)} h`;
}

function showExpiry() {
  if (token) {
    const left = secondsLeft(token);
    expiry.textContent = left > 0 ? `– expires in ${span(left)}` : `– expired ${span(-left)} ago`;
    expiry.classList.toggle('bad', left <= 0);
  }
}

/**
 * Asks one part of the API, and shows what it said in one part of the page.
 *
 * @param {string} path
 * @param {string} id
 */
async function ask(path, id) {
  const response = await request(path);
  const body = await response.json();
  const millis = Number(/dur=([\d.]+)/.exec(response.headers.get('server-timing') ?? '')?.[1]);
  const took = `${millis.toFixed(millis < 10 ? 2 : 0)} ms`;
  const section = find(id, HTMLElement);
  const [pill, time, list] = ['.pill', '.took', 'dl'].map((part) => section.querySelector(part));
  if (pill && time && list) {
    pill.textContent = `${response.status} ${body.error ?? 'OK'}`;
    pill.className = `pill ${response.ok ? 'good' : 'bad'}`;
    time.textContent = `in ${took}`;
    describe(list, body);
  }
  return `${response.status} in ${took}`;
}

/** @param {string} what */
async function call(what) {
  let outcome = '';
  if (token) {
    // One after the other, so that neither waits for the other and counts it as its own time.
    const claims = await ask('/api/claims', 'claims');
    const user = await ask('/api/users/me', 'user');
    outcome = ` Claims: ${claims}. User: ${user}.`;
  }
  await update();
  said.textContent = what + outcome;
}

async function flood() {
  let left = FLOOD;
  const started = performance.now();
  const work = async () => {
    while (left > 0) {
      left -= 1;
      await (await request('/api/claims')).arrayBuffer();
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  const took = Math.round(performance.now() - started);
  await call(`Called ${FLOOD} times in ${took} ms.`);
}

async function update() {
  const response = await fetch(`/stand-in/state?admits=${admits.value}`);
  const state = await response.json();
  button('down').setAttribute('aria-pressed', String(state.down));
  show(state);
  showExpiry();
}

/** @param {string} type */
async function signIn(type) {
  const { accessToken, user } = await tell(`sign-in/${type}`);
  userId = user.id;
  take(accessToken);
  for (const other of ['regular', 'restricted', 'anonymous']) {
    button(`sign-in-${other}`).setAttribute('aria-pressed', String(other === type));
  }
  await call(`Signed in as ${user.display_name ?? 'somebody'}.`);
}

async function expire() {
  take((await tell(`sign-in-again/${userId}?expired=true`)).accessToken);
  await call('The token has expired.');
}

async function forgeToken() {
  take(forge(token));
  await call('The token is Mallory’s, under the signature of another.');
}

async function rotate() {
  await tell('rotate-keys');
  if (userId) {
    take((await tell(`sign-in-again/${userId}`)).accessToken);
  }
  await call('The keys are new, and so is the token.');
}

async function toggleDown() {
  const down = button('down').getAttribute('aria-pressed') !== 'true';
  await tell(down ? 'down' : 'up');
  await call(down ? 'Stack Auth is down.' : 'Stack Auth is back.');
}

/** @param {() => Promise<void>} work */
async function run(work) {
  try {
    await work();
  } catch {
    said.textContent = 'The demo’s server does not answer.';
  }
}

const ACTIONS = {
  'sign-in-regular': () => signIn('regular'),
  'sign-in-restricted': () => signIn('restricted'),
  'sign-in-anonymous': () => signIn('anonymous'),
  call: () => call('Called.'),
  flood,
  expire,
  forge: forgeToken,
  rotate,
  down: toggleDown,
};
for (const [id, action] of Object.entries(ACTIONS)) {
  button(id).addEventListener('click', () => run(action));
}
admits.addEventListener('change', () => run(() => call('The server has other rules.')));

find('token-details', HTMLDetailsElement).open = matchMedia('(min-width: 46rem)').matches;
await run(update);
setInterval(() => {
  if (!document.hidden) {
    run(update);
  }
}, 1_000);
