// What applications pay for the library, in bytes: bundled, minified by terser, which webpack and rollup use, and gzipped. A module that
// is loaded when it is first used counts for itself, without what the library has brought by then. Fails where one is above its bound.

import { execFileSync } from "node:child_process";
import { build } from "esbuild";
import { minify } from "terser";

const LIBRARY = "dunlin.js";
const ENGINE = "dunlin/engine.js";
/** What applications import, with all that it needs. */
const IMPORTED = { [LIBRARY]: 9_244, "dunlin/groups.js": 1_104, "dunlin/bots.js": 264, "dunlin/pictures.js": 878 };
/** What the library loads: the engine to lead, and the others when something is asked of them. */
const LOADED = { [ENGINE]: 6_603, "dunlin/conversation/pages.js": 1_039, "dunlin/files.js": 1_597 };
/** What a page has loaded in all. */
const TOGETHER = { "a page that is alone": [[LIBRARY, ENGINE], 15_847], "all that is loaded": [[LIBRARY, ...Object.keys(LOADED)], 18_483] };

/** One piece of a module and what it needs, but for what is loaded later and for the files that are there already. */
function bundle(module, there) {
    const leaves = {
        name: "leaves",
        setup({ onResolve, resolve }) {
            onResolve({ filter: /^\./ }, async ({ path, pluginData, ...how }) => {
                if (pluginData) return;
                const found = await resolve(path, { ...how, pluginData: true });
                return how.kind === "dynamic-import" || there.includes(found.path) ? { path, external: true } : found;
            });
        },
    };
    return build({ entryPoints: [module], bundle: true, format: "esm", write: false, metafile: true, plugins: [leaves], absWorkingDir: process.cwd() });
}

async function sizeOf(module, there = []) {
    const { outputFiles: [{ text }] } = await bundle(module, there);
    const { code } = await minify(text, { module: true, compress: { passes: 3, ecma: 2022 }, mangle: true });
    return execFileSync("gzip", ["-9"], { input: code }).length;
}

const { metafile } = await bundle(LIBRARY, []);
const there = Object.keys(metafile.inputs).map(path => `${process.cwd()}/${path}`);
const sizes = {};
for (const module in IMPORTED) sizes[module] = await sizeOf(module);
for (const module in LOADED) sizes[module] = await sizeOf(module, there);

function hold(what, size, most) {
    console.log(`${what}: ${size} of ${most} bytes`);
    if (size <= most) return;
    console.error(`${what} is too large: see what is in it with esbuild --analyze`);
    process.exitCode = 1;
}
for (const [module, most] of Object.entries({ ...IMPORTED, ...LOADED })) hold(module, sizes[module], most);
for (const [what, [modules, most]] of Object.entries(TOGETHER)) hold(what, modules.reduce((sum, module) => sum + sizes[module], 0), most);
