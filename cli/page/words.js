// How names, times and texts are written for people.

import { element } from "./dom.js";

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

/** @param {number} time */
export const clockTime = (time) => clock.format(time);

/** @param {number} time */
export const dayName = (time) => (new Date(time).toDateString() === new Date().toDateString() ? "Today" : day.format(time));

/** @param {number} count */
export const figure = (count) => count.toLocaleString("en");

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
