//! Pages and API from outside: who is let in, what is shown, and what nobody may slip in.

mod access;
mod bench;
mod logs;
mod models;
mod pages;
mod samples;
mod table;
mod team;
