/**
 * Forgets what stands there for longest, where there is more than so much.
 *
 * @template Key
 * @param {{ readonly size: number, keys(): Iterable<Key>, delete(key: Key): boolean }} kept
 * @param {number} most
 */
export function forgetOldest(kept, most) {
    const [oldest] = kept.keys();
    if (kept.size > most) kept.delete(oldest);
}
