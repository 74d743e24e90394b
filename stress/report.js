// What a run found, row by row, and whether all of it held.

export class Report {
  /** @type {Array<{ what: string, found: string, bound: string, held: string }>} */
  #rows = [];

  /**
   * @param {string} what
   * @param {string | number} found
   */
  note(what, found) {
    this.#rows.push({ what, found: String(found), bound: '', held: '' });
  }

  /**
   * @param {string} what
   * @param {string | number} found
   * @param {string} bound in words
   * @param {boolean} held
   */
  check(what, found, bound, held) {
    this.#rows.push({ what, found: String(found), bound, held: held ? 'yes' : 'NO' });
    if (!held) {
      process.exitCode = 1;
    }
  }

  /**
   * @param {string} what
   * @param {number} found
   * @param {number} most
   */
  atMost(what, found, most) {
    this.check(what, rounded(found), `at most ${rounded(most)}`, found <= most);
  }

  print() {
    /** @type {Array<'what' | 'found' | 'bound' | 'held'>} */
    const columns = ['what', 'found', 'bound', 'held'];
    const title = { what: '', found: 'found', bound: 'bound', held: 'held' };
    const all = [title, ...this.#rows];
    const widths = columns.map((column) => Math.max(...all.map((row) => row[column].length)));
    for (const row of all) {
      const cells = columns.map((column, at) => row[column].padEnd(widths[at] ?? 0));
      console.log(cells.join('  ').trimEnd());
    }
  }
}

/** @param {number} figure */
export function rounded(figure) {
  return Number(figure.toFixed(figure < 10 ? 2 : 0));
}
