// Processes that tests start: whatever ends the tests ends them, too.

import { spawn } from "node:child_process";

/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();
process.once("exit", () => {
    for (const child of running) child.kill("SIGKILL");
});
// Without a listener these end the process without its `exit`.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

/**
 * Starts a program; gives it, and what is settled once it has ended.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {import("node:child_process").SpawnOptions} options
 */
export function start(program, args, options) {
    const child = spawn(program, args, options);
    running.add(child);
    const ended = new Promise((resolve) => {
        child.once("error", (error) => resolve(String(error)));
        child.once("close", (code, signal) => resolve(`it ended with ${signal ?? code}`));
    });
    void ended.then(() => running.delete(child));
    return { child, ended: /** @type {Promise<string>} */ (ended) };
}
