/** SQL for whether what Clerk said (`excluded`) is newer than the row (`stored`) of an `insert … on conflict`. */
export const IS_NEWER = `(stored.clerk_updated_at, stored.clerk_event_id collate "C")
    < (excluded.clerk_updated_at, excluded.clerk_event_id collate "C")`;

/** SQL for whether it is older: of several deletions the first counts. */
export const IS_OLDER = `(excluded.clerk_updated_at, excluded.clerk_event_id collate "C")
   < (stored.clerk_updated_at, stored.clerk_event_id collate "C")`;
