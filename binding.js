'use strict';

// Loads the native addon. The loader that napi generates tries the next candidate when one fails, and starts a process
// to find the libc. Here there is one candidate, which loads or is an error.

const { existsSync } = require('node:fs');
const path = require('node:path');
const { operatorError } = require('./lib/errors.js');
const { isMusl } = require('./lib/libc.js');
const { version } = require('./package.json');

/** @typedef {typeof import('./binding.js')} Binding */

const REINSTALL = 'remove node_modules and the lock file, and install again';

/** @returns {Binding} */
function load() {
  const { STACK_AUTH_NATIVE_BINARY: named } = process.env;
  if (named) {
    const file = path.resolve(named);
    const origin = `${file}, which STACK_AUTH_NATIVE_BINARY names,`;
    return checked(open(file, origin), origin, 'build it from the sources of that version');
  }
  const platform = platformOf(process);
  const built = path.join(__dirname, `stack-auth-native.${platform}.node`);
  return existsSync(built)
    ? checked(open(built, built), built, 'run `npm run build`')
    : checked(requirePackage(platform), packageOf(platform), REINSTALL);
}

/**
 * As napi names them.
 *
 * @param {{ platform: string, arch: string }} process
 */
function platformOf({ platform, arch }) {
  if (platform === 'linux') {
    return `linux-${arch}-${isMusl() ? 'musl' : 'gnu'}`;
  }
  return platform === 'win32' ? `win32-${arch}-msvc` : `${platform}-${arch}`;
}

/** @param {string} platform */
function packageOf(platform) {
  return `@stack-auth-native/binding-${platform}`;
}

/**
 * Not by `require`, which would take JavaScript as well, and which bundlers would follow.
 *
 * @param {string} file
 * @param {string} origin
 */
function open(file, origin) {
  const addon = /** @type {{ exports: any }} */ ({ exports: {} });
  try {
    // As `require` does, for long paths on Windows.
    process.dlopen(addon, path.toNamespacedPath(file));
  } catch (cause) {
    throw unusable(origin, cause);
  }
  return addon.exports;
}

/**
 * By literals, for tools that trace files; and directly in a `try`, without which bundlers insist on all.
 *
 * @param {string} platform
 */
function requirePackage(platform) {
  try {
    switch (platform) {
      case 'linux-x64-gnu':
        return require('@stack-auth-native/binding-linux-x64-gnu');
      case 'linux-x64-musl':
        return require('@stack-auth-native/binding-linux-x64-musl');
      case 'linux-arm64-gnu':
        return require('@stack-auth-native/binding-linux-arm64-gnu');
      case 'linux-arm64-musl':
        return require('@stack-auth-native/binding-linux-arm64-musl');
      case 'darwin-x64':
        return require('@stack-auth-native/binding-darwin-x64');
      case 'darwin-arm64':
        return require('@stack-auth-native/binding-darwin-arm64');
      case 'win32-x64-msvc':
        return require('@stack-auth-native/binding-win32-x64-msvc');
      case 'win32-arm64-msvc':
        return require('@stack-auth-native/binding-win32-arm64-msvc');
    }
  } catch (cause) {
    const name = packageOf(platform);
    throw isMissing(cause) ? missing(name, cause) : unusable(name, cause);
  }
  throw operatorError(
    'ERR_UNSUPPORTED_PLATFORM',
    `stack-auth-native has no binary for ${platform}, only for x64 and arm64 of Linux (glibc, musl), ` +
      'macOS and Windows. STACK_AUTH_NATIVE_BINARY may name one that you built yourself',
  );
}

/**
 * @param {Binding} binding
 * @param {string} origin
 * @param {string} remedy
 */
function checked(binding, origin, remedy) {
  // From the binary itself, for bundles and images may leave out its package.json.
  const found = binding?.VERSION;
  if (found !== version) {
    const hint = found
      ? remedy
      : 'if a bundler put something else there, make this package external';
    throw operatorError(
      'ERR_BINARY_VERSION',
      `${origin} is of version ${found}, but stack-auth-native of ${version}: ${hint}`,
    );
  }
  return binding;
}

/** @param {unknown} error */
function isMissing(error) {
  return /** @type {any} */ (error)?.code === 'MODULE_NOT_FOUND';
}

/**
 * @param {string} name
 * @param {unknown} cause
 */
function missing(name, cause) {
  return operatorError(
    'ERR_BINARY_MISSING',
    `stack-auth-native needs the package ${name} here, and it is not installed. ` +
      'If optional dependencies were left out (--omit=optional, --no-optional), install with them. ' +
      'If node_modules or the lock file came from another platform ' +
      `(https://github.com/npm/cli/issues/4828), ${REINSTALL}; or ` +
      `\`npm install --save-optional ${name}@${version}\`. ` +
      'If a bundler left it behind, make stack-auth-native external',
    cause,
  );
}

/**
 * @param {string} origin
 * @param {unknown} cause
 */
function unusable(origin, cause) {
  const message = /** @type {any} */ (cause)?.message;
  return operatorError('ERR_BINARY_UNUSABLE', `${origin} cannot be loaded: ${message}`, cause);
}

module.exports = load();
