/**
 * What stands under a key, which is made where nothing does.
 *
 * @template Key, Value
 * @param {Map<Key, Value>} all
 * @param {Key} key
 * @param {() => Value} make
 * @returns {Value}
 */
export function under(all, key, make) {
    const found = all.get(key) ?? make();
    all.set(key, found);
    return found;
}

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
