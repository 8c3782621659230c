//! The steps of a stage, grouped by the image that they run in: in a cluster, each part is a container of the same pod.

use super::spec::RunSpec;
use crate::image::reference::Pinned;
use std::ops::Range;

/// Most parts of a stage: each is a container, with an image to pull and a start of its own.
pub const PARTS_MAX: usize = 10;

/// Steps that follow each other and run in one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The image that its steps name as their own; `None` for that of the stage.
    pub image: Option<Pinned>,
    /// Which steps, by their places in the order.
    pub steps: Range<usize>,
}

/// Groups steps by the images that they name.
///
/// There is always a last part in the stage's own image, perhaps without steps: what follows the steps is done there.
pub fn parts<'a>(images: impl IntoIterator<Item = Option<&'a Pinned>>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut count = 0;
    for image in images {
        match parts.last_mut() {
            Some(last) if last.image.as_ref() == image => last.steps.end += 1,
            Some(_) | None => parts.push(Part {
                image: image.cloned(),
                steps: count..count + 1,
            }),
        }
        count += 1;
    }
    if parts.last().is_none_or(|last| last.image.is_some()) {
        parts.push(Part {
            image: None,
            steps: count..count,
        });
    }
    parts
}

impl RunSpec {
    /// The parts of this order, in turn.
    pub fn parts(&self) -> Vec<Part> {
        parts(self.steps.iter().map(|step| step.image.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Digest;

    #[test]
    fn steps_that_follow_each_other_in_one_image_are_one_part() {
        let images = ["x", "y"].map(|name| {
            let digest = Digest::of(name.as_bytes());
            Pinned::parse(&format!("registry.example/{name}@{digest}")).expect("an image")
        });
        // A step of the stage's image is a dot; a part is its image and the number of its steps.
        let check = |steps: &str, wanted: &str| {
            let named = steps.chars().map(|c| match c {
                'x' => Some(&images[0]),
                'y' => Some(&images[1]),
                _ => None,
            });
            let found = parts(named);
            let told = found.iter().map(|part| {
                let image = part.image.as_ref().map_or(".", |image| image.place.path());
                format!("{image}{}", part.steps.len())
            });
            assert_eq!(told.collect::<Vec<_>>().join(" "), wanted, "{steps}");
            // Each begins where the one before it ends, and none is left out.
            let mut end = 0;
            for part in found {
                assert_eq!(part.steps.start, end, "{steps}");
                end = part.steps.end;
            }
            assert_eq!(end, steps.len(), "{steps}");
        };
        for (steps, wanted) in [
            ("", ".0"),
            (".", ".1"),
            ("...", ".3"),
            ("x", "x1 .0"),
            ("xx", "x2 .0"),
            ("xy", "x1 y1 .0"),
            ("x.", "x1 .1"),
            (".x", ".1 x1 .0"),
            (".xx..y.", ".1 x2 .2 y1 .1"),
            ("x.x", "x1 .1 x1 .0"),
        ] {
            check(steps, wanted);
        }
    }
}
