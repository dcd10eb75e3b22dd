// An application in TypeScript with the package installed: it has types, and they refuse what is wrong.

import { Source, type Readable } from "dunlin";

const readable: Readable<number> = new Source(() => 1);
const stop: () => void = readable.subscribe((value: number) => value);
stop();
// @ts-expect-error a number is no text
const text: string = readable.get();
export { text };
