//! Commands in comments: found, parsed, answered.
