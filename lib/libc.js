'use strict';

const { closeSync, existsSync, openSync, readSync } = require('node:fs');

/** ELF's names for where things are (System V ABI, chapters 4 and 5), in files of 64 bits. */
const PROGRAM_HEADERS = { offset: 0x20, count: 0x38, size: 56 };
const PT_INTERP = 3;

/**
 * Whether this process runs on musl. A system may have both, so the executable is asked first: it names
 * the loader that it was started by.
 *
 * @param {string} [executable]
 */
function isMusl(executable = process.execPath) {
  try {
    return interpreterOf(executable).includes('/ld-musl-');
  } catch {
    // It cannot be read, or is no ordinary executable.
  }
  try {
    return existsSync('/etc/alpine-release');
  } catch {
    return false; // Node's permission model.
  }
}

/** @param {string} executable */
function interpreterOf(executable) {
  const file = openSync(executable, 'r');
  /**
   * @param {number | bigint} position
   * @param {number} length
   */
  function read(position, length) {
    const bytes = Buffer.alloc(length);
    readSync(file, bytes, 0, length, Number(position));
    return bytes;
  }
  try {
    const { offset, count, size } = PROGRAM_HEADERS;
    const header = read(0, 64);
    const table = read(header.readBigUInt64LE(offset), header.readUInt16LE(count) * size);
    for (let at = 0; at < table.length; at += size) {
      if (table.readUInt32LE(at) === PT_INTERP) {
        const length = Number(table.readBigUInt64LE(at + 32));
        return read(table.readBigUInt64LE(at + 8), length).toString('latin1');
      }
    }
    throw new Error(`${executable} has no interpreter`);
  } finally {
    closeSync(file);
  }
}

module.exports = { isMusl };
