//! The corridor: inbox, outbox, look, watch, tick.
