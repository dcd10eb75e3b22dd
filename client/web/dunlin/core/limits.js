/** What gateways and clients keep to; times in ms. */

/** Logs that one `hello` may name. */
export const CURSORS = 512;
/** Questions of one connection that are under way at once. */
export const ASKS_IN_FLIGHT = 16;
/** How often a gateway pings. */
export const PING_EVERY = 25_000;
/** How far clocks may differ. */
export const CLOCK_SKEW = 30_000;
/** Ids that are remembered, to drop repeats. */
export const REMEMBERED = 1_024;
/** Items that are repeated after a gap, */
export const REPEATED = 1_024;
/** and how far back. */
export const REPEATED_FOR = 86_400_000;
