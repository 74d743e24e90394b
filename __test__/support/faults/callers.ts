import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { finished } from 'node:stream/promises';

import { expect } from 'vitest';
import type { GetUserOptions, StackAuthStats } from '../../../index.js';

/** The same call, so many times at once. */
export interface Job {
  call: 'verifyJwt' | 'getUser' | 'stats';
  token: string;
  options: GetUserOptions;
  times: number;
}

/** How a call went. */
export interface Outcome {
  value?: unknown;
  error?: { name: string; code: string; status: number; retryable: boolean };
  /** For who reads of a row that does not hold. */
  why?: string;
  millis: number;
  /** How long the machine let the process wait meanwhile. */
  late: number;
}

interface Done {
  outcomes: Outcome[];
  /** The most memory that the process has had so far, in KiB. */
  maxRss: number;
}

export type Environment = Record<string, string>;

/** Which proxies and authorities this machine has does not matter, nor how this process is run. */
const OURS = /_proxy$|^NODE_EXTRA_CA_CERTS$|^SSL_CERT_|^NODE_OPTIONS$|^VITEST/i;

/** A process that calls. */
export class Caller {
  #child: ChildProcess;
  #waiting = new Map<number, { resolve: (done: Done) => void; reject: (why: Error) => void }>();
  #jobs = 0;
  #printed = '';

  constructor(
    environment: Environment,
    readonly isShared = false,
  ) {
    const inherited = Object.entries(process.env).filter(([name]) => !OURS.test(name));
    this.#child = fork(new URL('caller.js', import.meta.url), {
      execArgv: [],
      env: { ...Object.fromEntries(inherited), ...environment },
      silent: true,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (text) => {
        this.#printed += text;
      });
    }
    this.#child.on('message', ({ id, ...done }: Done & { id: number }) => {
      this.#waiting.get(id)?.resolve(done);
      this.#waiting.delete(id);
    });
    this.#child.on('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values()) {
        reject(new Error(`the caller ended with ${code ?? signal}: ${this.#printed}`));
      }
    });
  }

  async calls(times: number, call: Job['call'], token: string, options: GetUserOptions) {
    return (await this.#do({ call, token, options, times })).outcomes;
  }

  async stats(options: GetUserOptions) {
    const { outcomes, maxRss } = await this.#do({ call: 'stats', token: '', options, times: 1 });
    return { keys: outcomes[0]?.value as StackAuthStats['keys'], maxRss };
  }

  /** A rejection that nobody handled would have ended it before, and loudly. */
  async end(printed: unknown = '') {
    const { stdout, stderr } = this.#child;
    const ended = [once(this.#child, 'exit'), finished(stdout!), finished(stderr!)] as const;
    this.#child.disconnect();
    const [[code, signal]] = await Promise.all(ended);
    expect({ code, signal, printed: this.#printed }).toEqual({
      code: 0,
      signal: null,
      printed,
    });
  }

  #do(job: Job): Promise<Done> {
    this.#jobs += 1;
    const id = this.#jobs;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ ...job, id });
    });
  }
}

/** One process for each environment. */
export class Callers {
  #callers = new Map<string, Caller>();

  in(environment: Environment): Caller {
    const key = JSON.stringify(environment);
    const caller = this.#callers.get(key) ?? new Caller(environment, true);
    this.#callers.set(key, caller);
    return caller;
  }

  async end() {
    await Promise.all([...this.#callers.values()].map((caller) => caller.end()));
  }
}
