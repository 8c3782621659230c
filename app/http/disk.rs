//! Room on the disk of the state: looked at now and then, so that the door shuts before the database fails.
//!
//! A disk that is full breaks runs, mirrors and the database at once; what GitHub could not hand over meanwhile
//! is asked for again once there is room.

use nix::sys::statvfs::{Statvfs, statvfs};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a look is believed. At 1 GB/s, 2 s write less than half of the least room that is kept by default.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A disk, and how much of it shall stay free.
#[derive(Debug)]
pub struct Disk {
    dir: PathBuf,
    keep: Keep,
    last: Mutex<Look>,
}

/// What shall stay free: a disk is low when it has less than both.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// Units: percent of the disk.
    pub percent: u64,
    /// Enough on a disk of any size. Units: bytes.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct Look {
    at: Option<Instant>,
    is_low: bool,
}

impl Disk {
    /// The disk that holds this directory.
    pub fn new(dir: PathBuf, keep: Keep) -> Disk {
        Disk {
            dir,
            keep,
            last: Mutex::default(),
        }
    }

    /// Whether less is free than shall stay free.
    pub fn is_low(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.at.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            let is_low = self.look();
            match (last.is_low, is_low) {
                (false, true) => tracing::error!(
                    "the disk of `{}` is nearly full: no deliveries are taken until there is room",
                    self.dir.display()
                ),
                (true, false) => tracing::info!("the disk has room again: deliveries are taken"),
                (false, false) | (true, true) => {}
            }
            *last = Look {
                at: Some(Instant::now()),
                is_low,
            };
        }
        last.is_low
    }

    fn look(&self) -> bool {
        match statvfs(&self.dir) {
            Ok(found) => {
                let (free, all) = bytes(&found);
                self.keep.is_touched(free, all)
            }
            Err(error) => {
                // The database is on it and says so itself where it cannot be written.
                tracing::warn!(
                    "cannot tell how full the disk of `{}` is: {error}",
                    self.dir.display()
                );
                false
            }
        }
    }
}

/// What is free for this user, and all there is. Units: bytes.
pub(crate) fn bytes(found: &Statvfs) -> (u64, u64) {
    // Systems count blocks in integers of different sizes.
    let of = |blocks: i128| u64::try_from(blocks * i128::from(found.fragment_size())).unwrap_or(0);
    (
        of(found.blocks_available().into()),
        of(found.blocks().into()),
    )
}

impl Keep {
    fn is_touched(self, free: u64, all: u64) -> bool {
        let part = u128::from(all) * u128::from(self.percent) / 100;
        u128::from(free) < part && free < self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn a_disk_is_low_when_it_has_less_than_the_part_and_less_than_the_bytes() {
        let keep = Keep {
            percent: 10,
            bytes: 5 * GIB,
        };
        for (free, all, is_low) in [
            (3, 20, false),
            (1, 20, true),
            (2, 20, false),
            (6, 1_000, false),
            (4, 1_000, true),
            (0, 0, false),
        ] {
            let found = keep.is_touched(free * GIB, all * GIB);
            assert_eq!(found, is_low, "{free} of {all} GiB");
        }
        let never = Keep { percent: 0, ..keep };
        assert!(!never.is_touched(0, 20 * GIB));
    }

    #[test]
    fn a_disk_that_cannot_be_asked_is_not_low() {
        let keep = Keep {
            percent: 100,
            bytes: u64::MAX,
        };
        assert!(!Disk::new("/nowhere/at/all".into(), keep).is_low());
        assert!(Disk::new(std::env::temp_dir(), keep).is_low());
    }
}
