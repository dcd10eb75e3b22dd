// An application with the package installed: what it imports is there.

import { Source } from "dunlin";

const source = new Source(() => 1);
if (source.get() !== 1) throw new Error("the package does not work in Node");
