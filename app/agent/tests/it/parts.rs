//! A stage whose steps run in several images: one process after the other in the same directory, as in one pod.

use crate::order::{Order, PYTHON, assert_succeeded};
use bowsprit_core::image::reference::Pinned;
use bowsprit_core::training::spec::{FailureKind, Outcome, Phase, TAIL_LINES};

/// Names an image for the last step. Here it is the machine itself, as it would be the container around the agent.
fn in_image(mut order: Order, name: &str) -> Order {
    let image = format!("registry.example/{name}@sha256:{}", "0".repeat(64));
    order.last().image = Some(Pinned::parse(&image).unwrap());
    order
}

/// Writes a file in one image; the next step reads it in the stage's own software.
fn two_parts() -> Order {
    let first = "import sys; open('rows.txt', 'w').write('7'); print('prefix', sys.prefix); print('rows=7')";
    let order = Order::new(&[]).python().step(&[PYTHON, "-c", first]);
    in_image(order, "tools").step(&[
        "python",
        "-c",
        "import os, sys; print('prefix', sys.prefix); open(os.environ['OUTPUTS_DIR'] + '/sum.txt', 'w').write(open('rows.txt').read() * 2)",
    ])
}

#[test]
fn one_part_goes_on_where_the_one_before_ended() {
    let order = two_parts();
    order.start_part(1).end();
    assert!(!order.path("result.json").exists(), "it is not over");
    let status = order.status().unwrap();
    assert_eq!(status.phase, Phase::Running);
    assert!(!order.path("cache").exists());
    let first_log = order.log();
    // Asked for again, it has nothing to do.
    order.start_part(1).end();
    assert_eq!(order.log(), first_log);

    order.start_again().end();
    let result = order.result();
    assert_succeeded(&order, &result);
    let log = order.log();
    assert!(log.starts_with(&first_log), "{log}");
    let own = format!("step-2 prefix {}/trusted/", order.spec.cache_dir);
    let prefixes: Vec<&str> = log.lines().filter(|line| line.contains("prefix")).collect();
    assert!(
        prefixes.len() == 2
            && !prefixes[0].contains(&order.spec.cache_dir)
            && prefixes[1].contains(&own),
        "the runtime is for steps of the stage's image: {prefixes:?}"
    );
    let names: Vec<&str> = result.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["step-1", "step-2"]);
    assert!(result.steps[0].metrics.contains_key("rows"));
    assert!(result.runtime.is_some() && !result.runtime_cached);
    assert_eq!(result.outputs.len(), 1);
    assert!(result.tail.contains(&"rows=7".to_owned()) && result.tail.len() <= TAIL_LINES);
    let steps_ms: u64 = result.steps.iter().map(|step| step.duration_ms).sum();
    assert!(result.duration_ms >= steps_ms, "{result:?}");
    let last = order.status().unwrap();
    assert_eq!(
        (last.phase, last.started_ms),
        (Phase::Done, status.started_ms)
    );
}

#[test]
fn a_failure_in_one_part_is_the_end_of_all() {
    let mut order = in_image(
        Order::new(&[]).step(&["sh", "-c", "echo x > $OUTPUTS_DIR/kept; exit 3"]),
        "tools",
    );
    order = order.step(&["touch", "second"]);
    order.start_part(1).end();
    let result = order.result();
    assert_eq!(result.outcome, Outcome::Failed);
    let failure = result.failure.clone().unwrap();
    assert_eq!(
        (failure.kind, failure.step.as_str()),
        (FailureKind::Exit, "step-1")
    );
    assert_eq!(result.outputs.len(), 1, "what it wrote is kept");
    order.start_again().end();
    assert_eq!(order.result(), result);
    assert!(!order.path("work/second").exists());
}

#[test]
fn software_is_prepared_where_steps_need_it() {
    // Nothing is left to do in the stage's image, so its software is not made.
    let order = in_image(two_parts(), "more");
    order.start_part(1).end();
    order.start_part(2).end();
    order.start_again().end();
    let result = order.result();
    assert_eq!(result.outcome, Outcome::Failed, "`python` is the stage's");
    let told = result.failure.unwrap();
    assert_eq!(told.step, "step-2", "{told:?}");

    let mut order = Order::new(&[]).python().step(&["touch", "a"]);
    order = in_image(order, "tools");
    order.start_part(1).end();
    order.start_again().end();
    let result = order.result();
    assert_succeeded(&order, &result);
    assert_eq!((result.runtime, result.runtime_cached), (None, false));

    // It is made once, however many parts there are in it.
    let mut order = Order::new(&[]).python().step(&["python", "-V"]);
    order = in_image(order.step(&["true"]), "tools").step(&["python", "-V"]);
    order.start_part(1).end();
    order.start_part(2).end();
    order.start_again().end();
    let result = order.result();
    assert_succeeded(&order, &result);
    assert!(result.runtime.is_some() && !result.runtime_cached);
    assert_eq!(result.steps.len(), 3);
}

#[test]
fn a_process_that_is_in_no_pod_runs_no_step_of_another_image() {
    let order = two_parts();
    let result = order.run();
    assert_eq!(result.outcome, Outcome::Failed);
    let failure = result.failure.unwrap();
    assert_eq!(failure.kind, FailureKind::Agent);
    assert!(
        failure.message.contains("a pod of the cluster"),
        "{failure:?}"
    );
    assert!(result.steps.is_empty());
}

#[test]
fn a_part_that_is_cancelled_is_the_end_of_all() {
    let order = two_parts();
    std::fs::write(order.path("cancel"), "").unwrap();
    order.start_part(1).end();
    assert_eq!(order.result().outcome, Outcome::Cancelled);
}
