/**
 * Groups: what is done in one, and who is in it. Applications that have groups import this beside `dunlin.js`; what is said in a group is
 * in `client.conversation("#team")`.
 *
 * A command is done once. It has an id, as a message has, and is repeated under it, over as many connections as that takes, until it is
 * answered or the client ends. It is not kept over a reload.
 */

/** @import { Client } from "./client.js" */
/** @import { Question } from "./core/words.js" */
/** @import { GroupItem, GroupRole, GroupSettingsChange, MemberItem } from "./frames.js" */

import { createIds } from "./core/ids.js";
import { isForNow } from "./core/next.js";
import { must } from "./errors.js";
import { checkAddress } from "./records.js";

/** The pause before a command is repeated where the gateway names none, in ms. */
const AGAIN = 1_000;
/** Items of a page. */
const PAGE = 100;

/** @typedef {{ title?: string, settings?: GroupSettingsChange }} GroupIs What is left out is as it is by itself, or stays as it is. */
/** @typedef {ReturnType<typeof group>} Group */

/** @param {number} time */
const ulid = time => createIds(Math.random).next(time);

/**
 * How the client stands once a gateway has said what time it is, or the client has ended.
 *
 * @param {Client} client
 * @returns {Promise<ReturnType<Client["status"]["get"]>>}
 */
const known = ({ status }) =>
    new Promise(resolve => {
        const stop = status.subscribe(now => {
            if (now.ahead === undefined && now.state !== "ended") return;
            resolve(now);
            queueMicrotask(() => stop());
        });
    });

/**
 * Has something done.
 *
 * @param {Client} client
 * @param {keyof Question} what
 * @param {object} how
 */
async function command(client, what, how) {
    const { ahead = 0, user } = await known(client);
    const question = { [what]: { id: ulid(Date.now() + ahead), ...how } };
    for (;;) {
        try {
            return await client.ask(question);
        } catch (/** @type {any} */ error) {
            const { code, retryAfter } = error;
            const mayHelp = code === "timedOut" || isForNow(code, retryAfter);
            // It is nobody else's to repeat.
            if (!mayHelp || client.status.get().user !== user) throw error;
            await new Promise(resolve => setTimeout(resolve, retryAfter ?? AGAIN));
        }
    }
}

/**
 * All items, asked for page by page as they are taken.
 *
 * @param {Client} client
 * @param {"group_members" | "groups"} what
 * @param {"members" | "groups"} name
 * @param {object} [of]
 * @returns {AsyncGenerator<any, void, void>}
 */
async function* pages(client, what, name, of) {
    for (let after; after !== null; ) {
        const { [name]: page } = await client.ask(/** @type {any} */ ({ [what]: { ...of, after, limit: PAGE } }));
        yield* page.items;
        after = page.next ?? null;
    }
}

/**
 * A group, which need not be there yet: where no name is given it is a new one. What is done rejects with a DunlinError: `not_a_member`,
 * `not_allowed`, `exists`, `not_found` or `too_many`, say.
 *
 * @param {Client} client
 * @param {string} [address] such as `#team`; a name is given once
 */
export function group(client, address = `#${ulid(Date.now())}`) {
    must(checkAddress(address)[0] === "#", `${address} is no group`);
    /** @param {keyof Question} what @param {object} [how] */
    const done = async (what, how) => void (await command(client, what, { group: address, ...how }));
    return {
        address,

        /**
         * Makes it, with the user as its owner, and up to 256 other members: `without` those who do not let the user add them.
         *
         * @param {GroupIs & { members?: string[] }} [is]
         * @returns {Promise<GroupItem & { without?: string[] }>}
         */
        create: async is => {
            const { group, without } = await command(client, "group_create", { group: address, ...is });
            return group ?? { ...without.group, without: without.users };
        },

        /**
         * Has up to 256 people be members. Those who are stay what they are; gives those who do not let the user add them.
         *
         * @param {string[]} users
         * @returns {Promise<string[]>}
         */
        add: async users => (await command(client, "group_add", { group: address, users })).without?.users ?? [],

        /** Has up to 256 people be members no longer. @param {string[]} users */
        remove: users => done("group_remove", { users }),

        /** The user is a member no longer. */
        leave: () => done("group_leave"),

        /** Makes a member something else. @param {string} user @param {GroupRole} role */
        setRole: (user, role) => done("group_role", { user, role }),

        /** Calls it something else, or has it decide something else about itself. @param {GroupIs} is */
        set: is => done("group_set", is),

        /** Has it be no more, for good. */
        delete: () => done("group_delete"),

        /**
         * Makes a link by which people join: its token, and until when that holds. Where its answer was lost the repeat makes another one.
         *
         * @param {{ ttl?: number, uses?: number }} [how] for how long, in ms: 7 days by itself; how many may join: as many as want to
         * @returns {Promise<{ token: string, expires: number }>}
         */
        link: async how => (await command(client, "group_link", { group: address, ...how })).link,

        /** Has a token hold no more; without one all that are the user's to revoke. @param {string} [token] */
        unlink: token => done("group_unlink", { token }),

        /** What it is, and what the user is in it. @returns {Promise<GroupItem>} */
        info: async () => (await client.ask({ group_info: { group: address } })).group,

        /** Its members, a page at a time as they are taken. @returns {AsyncGenerator<MemberItem, void, void>} */
        members: () => pages(client, "group_members", "members", { group: address }),
    };
}

/**
 * Has the user join a group by a link.
 *
 * @param {Client} client
 * @param {string} token
 * @returns {Promise<GroupItem>}
 */
export const join = async (client, token) => (await command(client, "group_join", { token })).group;

/**
 * The groups that the user is in.
 *
 * @param {Client} client
 * @returns {AsyncGenerator<GroupItem, void, void>}
 */
export const groups = client => pages(client, "groups", "groups");
