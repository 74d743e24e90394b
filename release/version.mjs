// The version of a release, and the places that have to agree on it.
//
//   npm version <version>      runs this file without arguments, which brings the other files into step
//   node release/version.mjs <tag>    prints what the changelog says of a release; fails unless all agree

import { readFileSync, writeFileSync } from 'node:fs';

const PLACES = {
  'package.json': /"version": "(.+?)"/,
  'package-lock.json': /"version": "(.+?)"/,
  'Cargo.toml': /^version = "(.+?)"/m,
  'Cargo.lock': /^name = "stack-auth-native"\nversion = "(.+?)"/m,
  'fuzz/Cargo.lock': /^name = "stack-auth-native"\nversion = "(.+?)"/m,
};
const UNRELEASED = '## [Unreleased]\n';

/** @param {string} version */
function bump(version) {
  for (const [file, place] of Object.entries(PLACES)) {
    const text = read(file);
    const [found, old] = place.exec(text) ?? missing(file);
    writeFileSync(file, text.replace(found, found.replace(`"${old}"`, `"${version}"`)));
  }
  const changelog = read('CHANGELOG.md');
  if (!changelog.includes(UNRELEASED)) {
    missing('CHANGELOG.md');
  }
  const today = new Date().toISOString().slice(0, 10);
  const heading = `${UNRELEASED}\n## [${version}] - ${today}\n`;
  writeFileSync('CHANGELOG.md', changelog.replace(UNRELEASED, heading));
}

/** @param {string} tag */
function notes(tag) {
  const version = tag.replace(/^v/, '');
  for (const [file, place] of Object.entries(PLACES)) {
    const [, found] = place.exec(read(file)) ?? missing(file);
    if (found !== version) {
      throw new Error(`${file} is of version ${found}, and the tag is ${tag}`);
    }
  }
  const sections = read('CHANGELOG.md').split(/^## /m);
  const section = sections.find((text) => text.startsWith(`[${version}] - `));
  const [, text] = /^.+ - \d{4}-\d\d-\d\d\n(.+)/s.exec(section ?? '') ?? missing('CHANGELOG.md');
  return text?.trim();
}

/** @param {string} file */
function read(file) {
  return readFileSync(file, 'utf8');
}

/**
 * @param {string} file
 * @returns {never}
 */
function missing(file) {
  throw new Error(`${file} has no such version`);
}

const [tag] = process.argv.slice(2);
if (tag) {
  console.log(notes(tag));
} else {
  bump(process.env.npm_package_version ?? missing('The environment'));
}
