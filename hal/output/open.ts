// Chooses the driver for an output as the configuration names it.
import { fstatSync, statSync } from "node:fs";
import type { Datagrams } from "../../core/ports/datagrams.ts";
import type { Output } from "../../core/ports/output.ts";
import { DatagramOutput, type DatagramOutputOptions } from "./datagram.ts";
import { FileSink } from "./file-sink.ts";
import { NullOutput } from "./null.ts";
import { PipeSink } from "./pipe-sink.ts";
import { QueuedOutput } from "./queued.ts";

/** An output by its configuration. */
export type OutputChoice =
  | DatagramOutputOptions
  /** A regular file is appended to; a FIFO is served whenever somebody reads it. */
  | { readonly form: "file"; readonly path: string }
  | { readonly form: "stdout" }
  | { readonly form: "null" };

const STDOUT = 1;

/** Rejects with HalError "output.*" or "datagram.*". `readerGone`: whoever read our standard output has closed it. */
export async function openOutput(datagrams: Datagrams, choice: OutputChoice, readerGone: () => void): Promise<Output> {
  switch (choice.form) {
    case "udp":
    case "rtp":
      return DatagramOutput.open(datagrams, choice);
    case "file":
      return isFifo(choice.path)
        ? new QueuedOutput("fifo", PipeSink.fifo(choice.path))
        : new QueuedOutput("file", FileSink.append(choice.path));
    case "stdout":
      return standardOutput(readerGone);
    case "null":
      return new NullOutput();
  }
}

const isFifo = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFIFO() ?? false;

function standardOutput(readerGone: () => void): Output {
  const kind = fstatSync(STDOUT);
  const piped = kind.isFIFO() || kind.isSocket();
  const sink = piped ? PipeSink.descriptor("stdout", STDOUT, readerGone) : new FileSink("stdout", STDOUT, false);
  return new QueuedOutput("stdout", sink);
}
