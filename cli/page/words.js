// How names, times and texts are written for people.

import { element } from "./dom.js";

const today = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const earlier = new Intl.DateTimeFormat(undefined, { timeStyle: "short", dateStyle: "medium" });

export const clockTime = (time) => (time < new Date().setHours(0, 0, 0, 0) ? earlier : today).format(time);

export const { format: figure } = new Intl.NumberFormat("en");

export const span = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

const NAMES = new Map([["alice", "Alice"], ["bob", "Bob"], ["carol", "Carol"]]);

export const nameGroup = (address, title) => address[0] === "#" && NAMES.set(address, title);

/** Nobody is taken for the people of the page. */
export const nameOf = (user) => NAMES.get(user) ?? `“${user}”`;

/** Whether it ends with what is not of it. */
const overruns = (url) => /[.,;:!?]$/.test(url) || ["()", "[]"].some(([open, close]) =>
  url.endsWith(close) && url.split(close).length > url.split(open).length);

/** A text that turns nothing around. */
const straight = (text) => text.replace(/[\u202a-\u202e\u2066-\u2069]/g, "\ufffd");

export const titleOf = ({ name }) => straight(name || "File");

export const weight = (bytes) => `${figure(Math.ceil(bytes / 1000))} kB`;

/** A text with links that say where they go. */
export const linked = (text) => straight(text)
  .split(/(https?:\/\/[^\s<>"'\p{Cf}\ufffd]{1,2000})/iu).flatMap((part, at) => {
  let url = part;
  while (at % 2 && overruns(url)) url = url.slice(0, -1);
  return at % 2 && URL.canParse(url) && !/\/\/[^/?#]*@/.test(url)
    ? [element("a", { href: url, rel: "noreferrer", target: "_blank" }, url), part.slice(url.length)]
    : part;
});
