//! Stories of the agent: real child processes in temporary directories.

mod confinement;
mod order;
