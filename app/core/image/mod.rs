//! Images that Bowsprit makes: what they are made of, the texts they are built from, the Job that builds them.
//!
//! An image is known by its recipe before it is built: the same recipe has the same key, and the key is the image's tag.
//! Nothing here asks a registry or a cluster, and nothing that a contract wrote becomes a field of a Job.

pub mod build;
pub mod containerfile;
pub mod job;
pub mod recipe;
pub mod reference;
