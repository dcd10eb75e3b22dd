/** What frames say, by their names: as the core reads and carries them. */

import type * as frames from "../frames.js";

export type { Code, Goodbye } from "../frames.js";

/** Objects with one key, the key being its name: what stands under each name. */
type ByName<OneKey> = { [Name in OneKey extends unknown ? keyof OneKey : never]: Extract<OneKey, Record<Name, unknown>>[Name] };

/** One of these; something else, where a newer release knows more. */
export type Content = Partial<ByName<frames.Content>>;
export type Question = Partial<ByName<frames.Question>>;
export type Answer = Partial<ByName<frames.Answer>>;

export type EntryFrame = frames.Entry & { content: Content };
export type ReceiptFrame = frames.ReceiptFrame["receipt"];

export type ClientFrame =
    | Exclude<frames.ClientFrame, frames.SendFrame | frames.AskFrame>
    | { send: Omit<frames.Send, "content"> & { content: Content } }
    | { ask: { ref: number; what: Question } };

/** What each frame of a gateway says. */
export type ServerFrames = Omit<ByName<frames.ServerFrame>, "entry" | "answer"> & {
    entry: EntryFrame;
    answer: { ref: number; what: Answer };
};
