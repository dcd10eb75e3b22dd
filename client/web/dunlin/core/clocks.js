/** What is known of clocks and times, in ms. */

/** How far clocks may differ. */
export const CLOCK_SKEW = 30_000;
