//! Stories of the agent: real child processes in temporary directories.

mod confinement;
mod endings;
mod order;
mod probing;
mod runs;
