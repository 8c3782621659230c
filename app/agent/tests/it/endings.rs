//! The ways in which a run does not succeed.

use crate::order::{Order, PYTHON, any_process_in, assert_succeeded, wait_until};
use bowsprit_core::training::spec::{Failure, FailureKind, Outcome, Phase};
use std::fs;

fn failure(order: &Order) -> Failure {
    let result = order.run();
    assert_eq!(result.outcome, Outcome::Failed, "{result:?}");
    result.failure.unwrap()
}

fn check(order: &Order, kind: FailureKind, words: &str) {
    let failure = failure(order);
    assert_eq!(failure.kind, kind, "{failure:?}\n{}", order.log());
    assert!(failure.message.contains(words), "{failure:?}");
}

#[test]
fn a_failing_step_ends_the_run_with_its_cause() {
    let python = |code: &str| Order::new(&[]).step(&[PYTHON, "-c", code]);
    check(
        &python("import sys; print('so long'); sys.exit(3)"),
        FailureKind::Exit,
        "status 3; it last said: so long",
    );
    check(
        &python("import no_such_module.x"),
        FailureKind::MissingPackage,
        "`no_such_module`",
    );
    check(
        &python("open('data.csv')"),
        FailureKind::MissingFile,
        "`data.csv`",
    );
    check(
        &Order::new(&[]).step(&["no-such-program"]),
        FailureKind::MissingPackage,
        "`no-such-program`",
    );
    check(
        &python("import urllib.request; urllib.request.urlopen('http://example.org')"),
        FailureKind::Network,
        "network: true",
    );
    let order = Order::new(&[]).step(&["false"]).step(&["touch", "second"]);
    assert_eq!(failure(&order).step, "step-1");
    assert_eq!(order.result().steps.len(), 1);
}

#[test]
fn a_greedy_step_runs_out_of_memory() {
    let mut order = Order::new(&[]).step(&[PYTHON, "-c", "x = bytearray(1 << 30)"]);
    order.last().memory_bytes = 128 << 20;
    check(&order, FailureKind::OutOfMemory, "128 MiB");
    // Several processes below the cap each are above it together.
    let code =
        "import os, time\nfor _ in range(3): os.fork()\nx = b'x' * (60 << 20)\ntime.sleep(600)";
    let mut order = Order::new(&[]).step(&[PYTHON, "-c", code]);
    order.last().memory_bytes = 128 << 20;
    check(&order, FailureKind::OutOfMemory, "128 MiB");
    assert!(!any_process_in(&order.path("work")));
}

#[test]
fn a_timeout_ends_grandchildren_too() {
    let mut order = Order::new(&[]).step(&["sh", "-c", "setsid sleep 600 & sleep 600"]);
    order.last().timeout_s = 1;
    check(&order, FailureKind::Timeout, "1 s");
    assert!(!any_process_in(&order.path("work")));
}

#[test]
fn a_flood_of_lines_is_cut_and_the_end_still_seen() {
    let mut order = Order::new(&[]).step(&[
        PYTHON,
        "-c",
        "for i in range(100000): print('x' * 100)\nprint('accuracy=1')\nprint('y' * 100000)\nprint('the end')",
    ]);
    order.spec.limits.log_bytes = 50_000;
    let result = order.run();
    assert_succeeded(&order, &result);
    let log = order.log();
    assert!(log.len() < 51_000, "{}", log.len());
    assert!(log.contains("the log is cut here"));
    assert_eq!(result.tail.last().map(String::as_str), Some("the end"));
    assert!(result.steps[0].metrics.contains_key("accuracy"));
}

#[test]
fn the_disk_has_a_quota() {
    let script = "i=0; while :; do i=$((i+1)); head -c 1000000 /dev/zero > part-$i || exit 1; done";
    let mut order = Order::new(&[]).step(&["sh", "-c", script]);
    order.spec.limits.disk_bytes = 20 << 20;
    check(&order, FailureKind::DiskQuota, "20 MiB");
}

#[test]
fn a_run_is_cancelled_by_a_file_and_by_a_signal() {
    for by_signal in [false, true] {
        let order = Order::new(&[]).step(&["sh", "-c", "setsid sleep 600 & sleep 600"]);
        let agent = order.start();
        wait_until(|| {
            order
                .status()
                .is_some_and(|status| status.phase == Phase::Running)
        });
        if by_signal {
            let pid = i32::try_from(agent.pid()).unwrap();
            nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGTERM,
            )
            .unwrap();
        } else {
            fs::write(order.path("cancel"), "").unwrap();
        }
        agent.end();
        let result = order.result();
        assert_eq!((result.outcome, result.failure), (Outcome::Cancelled, None));
        assert!(!any_process_in(&order.path("work")));
    }
}

#[test]
fn a_killed_agent_leaves_no_process() {
    let order = Order::new(&[]).step(&["sh", "-c", "echo > ready; exec sleep 600"]);
    let agent = order.start();
    wait_until(|| order.path("work/ready").exists());
    assert!(any_process_in(&order.path("work")));
    drop(agent);
    wait_until(|| !any_process_in(&order.path("work")));
    assert!(!order.path("result.json").exists());
}

#[test]
fn a_second_agent_leaves_the_first_alone() {
    let order = Order::new(&[]).step(&["sh", "-c", "while ! test -e go; do sleep 0.01; done"]);
    let first = order.start();
    wait_until(|| {
        order
            .status()
            .is_some_and(|status| status.phase == Phase::Running)
    });
    let pid = fs::read_to_string(order.path("agent.pid")).unwrap();
    assert!(order.start_again().end().contains("another agent"));
    assert_eq!(fs::read_to_string(order.path("agent.pid")).unwrap(), pid);
    assert_eq!(pid.trim(), first.pid().to_string());
    fs::write(order.path("work/go"), "").unwrap();
    first.end();
    assert_succeeded(&order, &order.result());
    let written = fs::metadata(order.path("result.json"))
        .unwrap()
        .modified()
        .unwrap();
    order.start_again().end();
    assert_eq!(
        fs::metadata(order.path("result.json"))
            .unwrap()
            .modified()
            .unwrap(),
        written
    );
}

#[test]
fn a_corrupt_model_is_named() {
    let mut order = Order::new(&[]).model("live", b"[0]").step(&["true"]);
    fs::write(&order.spec.models[0].sources[0].uri, "[1]").unwrap();
    check(
        &order,
        FailureKind::Corrupt,
        "model `live`, file `weights.json`",
    );
    order.spec.models.clear();
    fs::write(&order.spec.snapshot.uri, "other").unwrap();
    fs::remove_file(order.path("result.json")).unwrap();
    check(&order, FailureKind::Corrupt, "snapshot");
}

#[test]
fn a_hostile_archive_is_refused() {
    use tar::{Builder, EntryType, Header};
    let archive = |kind: EntryType, name: &str, link: &str| {
        let mut header = Header::new_old();
        // Written as bytes: the builder would refuse such names itself.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mode(0o777);
        header.set_cksum();
        let mut tar = Builder::new(Vec::new());
        tar.append(&header, &[][..]).unwrap();
        tar.into_inner().unwrap()
    };
    for (kind, name, link, words) in [
        (EntryType::Regular, "../escaped", "", "leads out"),
        (EntryType::Regular, "/tmp/escaped", "", "leads out"),
        (EntryType::Symlink, "a", "/etc", "a link that leads out"),
        (
            EntryType::Symlink,
            "a/b",
            "../../x",
            "a link that leads out",
        ),
        (EntryType::Link, "a", "/etc/passwd", "neither a file"),
        (EntryType::Char, "a", "", "neither a file"),
        (EntryType::Fifo, "a", "", "neither a file"),
    ] {
        let order = Order::of_archive(&archive(kind, name, link)).step(&["true"]);
        check(&order, FailureKind::Corrupt, words);
    }
    let twice = {
        let mut tar = Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, "inner", ".").unwrap();
        let mut header = Header::new_gnu();
        header.set_size(1);
        tar.append_data(&mut header, "inner/file", &b"x"[..])
            .unwrap();
        tar.into_inner().unwrap()
    };
    check(
        &Order::of_archive(&twice),
        FailureKind::Corrupt,
        "goes through a link",
    );
}

#[test]
fn an_output_that_is_a_link_is_refused() {
    let order = Order::new(&[]).step(&["sh", "-c", "ln -s /etc/passwd $OUTPUTS_DIR/model"]);
    check(&order, FailureKind::Corrupt, "`model`");
    assert!(order.result().outputs.is_empty());
}

#[test]
fn an_order_that_cannot_be_read_has_a_result_too() {
    let order = Order::new(&[]);
    fs::write(order.path("spec.json"), "{").unwrap();
    order.start_again().end();
    let failure = order.result().failure.unwrap();
    assert_eq!(failure.kind, FailureKind::Agent);
    assert!(failure.message.contains("spec.json"), "{failure:?}");
}
