//! GitHub: client, events, reads, effects.
