// Waiting for something to become true, with a limit and a reason in words.

/**
 * A set of conditions that are tried whenever `changed` is called.
 * @template T
 */
export class Waiting {
  /** @type {Set<() => void>} */
  #waiters = new Set();

  changed() {
    for (const attempt of this.#waiters) attempt();
  }

  /**
   * Resolves with the first value of `find` that is not undefined; rejects after `limit` milliseconds, saying `what` did not come.
   * @param {string} what
   * @param {() => T | undefined} find
   * @param {number} limit
   * @returns {Promise<T>}
   */
  until(what, find, limit) {
    return new Promise((resolve, reject) => {
      const finish = () => {
        clearTimeout(timer);
        this.#waiters.delete(attempt);
      };
      const timer = setTimeout(() => {
        finish();
        reject(new Error(`waited ${limit} ms in vain for ${what}`));
      }, limit);
      const attempt = () => {
        const found = find();
        if (found === undefined) return;
        finish();
        resolve(found);
      };
      this.#waiters.add(attempt);
      attempt();
    });
  }
}

/** Milliseconds, for what never comes: nothing in the lab takes so long, on a busy machine either. */
export const PATIENCE = 60_000;

const pause = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Asks again and again, for what can only be asked (a status, a table), until the answer is not undefined.
 * @template T
 * @param {string} what
 * @param {() => T | undefined | Promise<T | undefined>} ask
 * @param {{ limit?: number, every?: number }} [pace] milliseconds
 * @returns {Promise<T>}
 */
export async function ask(what, ask, { limit = PATIENCE, every = 100 } = {}) {
  const end = performance.now() + limit;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > end) throw new Error(`asked for ${limit} ms in vain for ${what}`);
    await pause(every);
  }
}

/**
 * Watches that something stays as it is for a span: for "no packet comes", which no event can tell.
 * @param {number} ms
 */
export const observe = pause;
