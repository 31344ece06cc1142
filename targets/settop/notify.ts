// Tells systemd how we are (sd_notify(3)). Node has no Unix datagram sockets, so its own tool does it: the unit says NotifyAccess=all.
import { spawn } from "node:child_process";
import type { Alarm } from "../../core/base/alarm.ts";
import { after, milliseconds } from "../../core/base/time.ts";
import type { Clock } from "../../core/ports/clock.ts";

/** Does nothing where systemd does not listen. */
export interface Notifier {
  ready(): void;
  /** For `systemctl status`, in words. */
  status(text: string): void;
  stopping(): void;
}

/** What it needs; `failed` is told once. */
export interface NotifierOptions {
  readonly clock: Clock;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The tool is missing or refused: said once. */
  readonly failed: (why: string) => void;
}

/** Does nothing when no systemd has started us. After `ready` it also feeds the watchdog, if there is one. */
export function systemdNotifier(options: NotifierOptions): Notifier {
  if (options.environment.NOTIFY_SOCKET === undefined) return { ready: () => {}, status: () => {}, stopping: () => {} };
  return new SystemdNotifier(options);
}

class SystemdNotifier implements Notifier {
  readonly #options: NotifierOptions;
  #alarm: Alarm | undefined;
  #told = false;

  constructor(options: NotifierOptions) {
    this.#options = options;
  }

  ready(): void {
    this.#say("READY=1");
    this.#feed();
  }

  status(text: string): void {
    this.#say(`STATUS=${text}`);
  }

  stopping(): void {
    this.#alarm?.cancel();
    this.#say("STOPPING=1");
  }

  /** sd_watchdog_enabled(3): at half the interval. */
  #feed(): void {
    const interval = Number(this.#options.environment.WATCHDOG_USEC) / 1000;
    if (!(interval > 0)) return;
    const { clock } = this.#options;
    this.#alarm = clock.alarm(after(clock.now(), milliseconds(interval / 2)), () => {
      this.#say("WATCHDOG=1");
      this.#feed();
    });
  }

  #say(state: string): void {
    const child = spawn("systemd-notify", [`--pid=${process.pid}`, state], { stdio: "ignore" });
    child.once("error", (error) => this.#failed(error.message));
    child.once("exit", (code) => {
      if (code !== 0 && code !== null) this.#failed(`systemd-notify ended with ${code}`);
    });
    child.unref();
  }

  #failed(why: string): void {
    if (this.#told) return;
    this.#told = true;
    this.#options.failed(why);
  }
}
