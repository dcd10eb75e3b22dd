/** What is known of clocks and times, in ms. */

/** How far clocks may differ. */
export const CLOCK_SKEW = 30_000;

/**
 * The earliest of some times; `Infinity` of none.
 *
 * @param {number[]} times
 */
export const earliest = times => times.reduce((one, other) => Math.min(one, other), Infinity);
