/** Addresses: `alice`, `alice@eu`, `#team` or `#team@eu`. No region means that of whoever says the address. */

/**
 * Whether a text is an address: names are 1 to 64 of `A-Z a-z 0-9 _ -`, that of a group behind a `#`.
 *
 * @param {string} text
 */
export const isAddress = text => /^#?[\w-]{1,64}(@[\w-]{1,64})?$/.test(text);

/**
 * The address as a reader in `region` says it: its own region is left out.
 *
 * @param {string} address
 * @param {string | null | undefined} region
 */
export function seenFrom(address, region) {
    const [peer, its] = address.split("@");
    return its === region ? peer : address;
}

/**
 * Whether two addresses name the same peer, for all that is known: a region that is left out is the user's own.
 *
 * @param {string} one
 * @param {string} other
 */
export function isSame(one, other) {
    const [peer, region] = one.split("@");
    const [itsPeer, itsRegion] = other.split("@");
    return peer === itsPeer && (region === itsRegion || !region || !itsRegion);
}

/**
 * Whether a text names a log that this release knows: the mailbox, or a group's.
 *
 * @param {string} text
 */
export const isLog = text => text === "mailbox" || text[0] === "#";
