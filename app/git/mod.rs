//! Bare mirrors: the system git fetches, git2 reads objects.
