// The library with something else in some of its files.

import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const LIBRARY = fileURLToPath(new URL("../..", import.meta.url));

/** Its modules by their files. `changes` are what stands in a file, and what takes its place. */
export function altered(t, ...changes) {
    const folder = mkdtempSync(join(tmpdir(), "dunlin-altered-"));
    t.after(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    for (const part of ["dunlin", "dunlin.js"]) cpSync(join(LIBRARY, part), join(folder, part), { recursive: true });
    for (const [file, right, wrong] of changes) {
        const path = join(folder, "dunlin", file);
        const code = readFileSync(path, "utf8");
        assert.ok(code.includes(right), `${file} has no ${right}`);
        writeFileSync(path, code.replaceAll(right, wrong));
    }
    return file => import(pathToFileURL(join(folder, file)));
}
