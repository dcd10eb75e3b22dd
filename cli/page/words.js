// How names, times and texts are written for people.

import { element } from "./dom.js";

const clock = /** @type {const} */ ({ hour: "2-digit", minute: "2-digit" });
const today = new Intl.DateTimeFormat(undefined, clock);
const earlier = new Intl.DateTimeFormat(undefined, { ...clock, month: "short", day: "numeric" });

/** @param {number} time */
export const clockTime = (time) => (time < new Date().setHours(0, 0, 0, 0) ? earlier : today).format(time);

export const { format: figure } = new Intl.NumberFormat("en");

/** @param {number} ms */
export const span = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

/** The two people of the page have names, everybody else is called by their address. @param {string} user */
export const nameOf = (user) => ({ alice: "Alice", bob: "Bob" })[user] ?? user;

/** A text in which addresses of the web, and nothing else, are links. @param {string} text */
export function linked(text) {
    const parts = text.split(/(https?:\/\/[^\s<>"'\p{Cf}]*[^\s<>"'\p{Cf}.,;:!?)\]])/iu);
    return parts.map((part, at) => (at % 2 && URL.canParse(part)
        ? element("a", { href: part, rel: "noopener noreferrer", target: "_blank" }, part)
        : part));
}
