/** Sets of sequences: spans, each of what lies above one and up to the other. */

/**
 * @typedef {{ above: number, upto: number }} Span
 */

/**
 * Whether one of the spans has this sequence.
 *
 * @param {Span[] | null | undefined} spans
 * @param {number} seq
 */
export const holds = (spans, seq) => (spans ?? []).some(({ above, upto }) => above < seq && seq <= upto);
