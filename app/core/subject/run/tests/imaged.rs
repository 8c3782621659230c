//! Steps in images of their own.

use super::judging::started;
use super::*;
use crate::image::reference::Pinned;
use crate::subject::model::Model;
use crate::subject::proposal;

#[test]
fn a_step_is_ordered_with_its_image_and_the_version_says_so() {
    let image = format!("registry.example/tools@{}", Digest::of(b"tools"));
    let pinned = Pinned::parse(&image).expect("an image");
    let (mut world, cause) = pushed();
    let shape = format!("steps:\n  - {{name: shape, image: \"{image}\", run: [sh, shape.sh]}}\n");
    let text = TRAINING_TEXT.replacen("steps:\n", &shape, 1);
    world.contract(TRAINING, 'b', &text);
    let plan = started(&world, &cause);
    let images: Vec<_> = plan.steps.into_iter().map(|step| step.image).collect();
    assert_eq!(images, [Some(pinned.clone()), None]);
    stage_done(&mut world, &cause, "train", |result| {
        result.outputs = vec![file("model/model.bin", "m")];
    });
    let run = wanted(&world, &cause).state;
    let expected = [("shape".to_owned(), pinned)].into();
    assert_eq!(run.images, expected);
    let model = Model::new(run.repo.clone(), slug("digits"));
    let told = proposal::manifest(&model, &run, 3);
    assert_eq!(told.images, expected);
    // What has none says nothing of images, as ever.
    let (world, cause) = pushed();
    let plain = proposal::manifest(&model, &wanted(&world, &cause).state, 3);
    let plain = serde_json::to_value(plain).expect("JSON");
    assert_eq!(plain.get("images"), None);
}
