/** Frames, as they stand on the wire. */

export type Code =
    | "draining" | "token_expired" | "token_revoked" | "unauthorized" | "forbidden" | "hello_timeout" | "bad_frame" | "too_large"
    | "replaced" | "too_many_devices" | "rate_limited" | "elsewhere" | "unavailable" | "unknown_frame" | "unsupported" | "bad_address"
    | "bad_content" | "too_old" | "from_the_future" | "unknown_outcome" | "region_unreachable" | "unknown_log" | "not_yours" | "not_found"
    | "bad_cursor" | "bad_id" | "unknown_question" | "bad_question" | "refused";

export type Content = Record<string, unknown>;
export type Question = Record<string, any>;
export type Answer = Record<string, unknown>;

export interface Goodbye {
    code: string;
    message: string;
    retry_after?: number | null;
}

export interface EntryFrame {
    log: string;
    seq: number;
    cursor: string;
    time: number;
    id: string;
    from: string;
    to: string;
    order?: number | null;
    content: Content;
}

export interface ReceiptFrame {
    by?: string | null;
    to: string;
    order?: number | null;
    delivered?: number | null;
    read?: number | null;
    of?: number | null;
    time: number;
    since?: number | null;
    missing?: { above: number; upto: number }[] | null;
}

export type ClientFrame =
    | { hello: { token: string; device: string | null; cursors: Record<string, string> } }
    | { send: { id: string; to: string; content: Content } }
    | { ack: { log: string; delivered: number } }
    | { ask: { ref: number; what: Question } }
    | { signal: { to: string; kind: string } }
    | { read: { with: string; upto: number } };

export interface ServerFrames {
    welcome: { user: string; device: string; region: string; server_time: number };
    gap: { log: string; from: number; to: number; cursor: string };
    entry: EntryFrame;
    caught_up: { log: string; seq: number; cursor: string };
    accepted: { id: string; order?: number | null; time: number };
    rejected: { id: string; code: string; message: string; retry_after?: number | null };
    refused: { ref?: number | null; code: string; message: string; retry_after?: number | null };
    goodbye: Goodbye;
    answer: { ref: number; what: Answer };
    signal: { from: string; kind: string };
    presence: { user: string; state: string; last_seen?: number | null };
    receipt: ReceiptFrame;
    marked: { with: string; read: number };
}
