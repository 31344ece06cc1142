// Clients that ask, wait for the answer, and ask again: answers per second once all of them are under way.
import { connectAsync } from "mqtt";

/** One MQTT 3.1.1 client without a queue. */
export function connectClient(
  /** @type {string} */ url,
  /** @type {string} */ id,
  /** @type {string | undefined} */ password,
) {
  const login = password === undefined ? {} : { username: id, password };
  return connectAsync(url, { clientId: id, protocolVersion: 4, reconnectPeriod: 0, queueQoSZero: false, ...login });
}

/**
 * @param {(() => Promise<void>)[]} asks one for each client; resolves when its answer has come
 * @param {{ warmUp: number, span: number }} milliseconds
 */
export async function answersPerSecond(asks, { warmUp, span }) {
  let answers = 0;
  let going = true;
  const loops = asks.map(async (ask) => {
    while (going) {
      await ask();
      answers += 1;
    }
  });
  await new Promise((resolve) => setTimeout(resolve, warmUp));
  const before = answers;
  const begin = performance.now();
  await new Promise((resolve) => setTimeout(resolve, span));
  const rate = ((answers - before) * 1000) / (performance.now() - begin);
  going = false;
  await Promise.all(loops);
  return rate;
}
