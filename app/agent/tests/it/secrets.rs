//! Named secrets: the step that names one reads it, nobody else does, and it is said and left nowhere.

use crate::order::{Order, PYTHON, assert_succeeded, wait_until};
use bowsprit_agent::confine;
use bowsprit_core::training::spec::{FailureKind, Outcome};
use std::fs;

const KEY: &str = "8674309127455";
const OTHER: &str = "first line of it\nsecond line of it\n";

/// Looks wherever a step may look for what it was not given.
const LOOK: &str = r#"
import os, pathlib
run = pathlib.Path.cwd().parent
for value in ["8674309" + "127455", "second line" + " of it"]:
    seen = [str(path) for path in run.rglob("*") if os.access(path, os.R_OK) and path.is_file() and value in path.read_text(errors="replace")]
    for name in ["environ", "cmdline"]:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if value in open(f"/proc/{pid}/{name}", errors="replace").read():
                    seen.append(f"/proc/{pid}/{name}")
            except OSError:
                pass
    print("seen", [os.path.basename(path) for path in seen])
print("variables", sorted(name for name in os.environ if "SECRET" in name or name.endswith("_FILE")))
"#;

#[test]
fn a_step_reads_the_secrets_it_names_and_no_other_does() {
    let read = "import os; path = os.environ['KEY_FILE']; about = os.stat(path)\n\
        print('mine', about.st_uid == os.getuid(), oct(about.st_mode & 0o777), os.environ['SECRETS_DIR'] == os.path.dirname(path))\n\
        print('value=' + open(path).read())\n\
        print('x' * 8180 + open(path).read())\n\
        try: open(path, 'w')\n\
        except OSError: print('kept')\n"
        .replace("        try", "try").replace("        except", "except");
    let order = Order::new(&[("look.py", LOOK)])
        .step(&[PYTHON, "-c", &read])
        .secret("KEY", KEY)
        .step(&[PYTHON, "look.py"])
        .step(&[
            PYTHON,
            "-c",
            "import os; print(open(os.environ['OTHER_FILE']).read()); exec(open('look.py').read())",
        ])
        .secret("OTHER", OTHER);
    let result = order.run();
    assert_succeeded(&order, &result);
    let log = order.log();
    for line in [
        "step-1 mine True 0o600 True",
        "step-1 value=***",
        "step-2 variables []",
        "step-3 ***",
        "step-3 variables ['OTHER_FILE', 'SECRETS_DIR']",
    ] {
        assert!(
            log.lines().any(|said| said.ends_with(line)),
            "{line} in {log}"
        );
    }
    let seen: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once(' ')?.1.split_once(" seen "))
        .map(|(_, seen)| seen)
        .collect();
    assert_eq!(seen, ["[]", "[]", "[]", "['OTHER']"]);
    if confine::look().shortfall.is_none() {
        assert!(log.contains("step-1 kept"), "{log}");
    }
    assert!(result.steps[0].metrics.is_empty(), "{:?}", result.steps[0]);
    is_nowhere(&order);
}

/// No file of the run directory holds any of it.
#[track_caller]
fn is_nowhere(order: &Order) {
    assert!(!order.path("secrets").exists());
    for name in ["spec.json", "log.txt", "status.json", "result.json"] {
        let text = fs::read_to_string(order.path(name)).unwrap();
        for part in [KEY, &KEY[..9], &KEY[9..], "first line of", "second line of"] {
            assert!(!text.contains(part), "{part} in {name}: {text}");
        }
    }
}

#[test]
fn nothing_stays_of_a_secret_when_a_run_is_ended_or_cannot_begin() {
    let mut order = Order::new(&[])
        .step(&["sh", "-c", "echo begun; sleep 60"])
        .secret("KEY", KEY);
    let agent = order.start();
    wait_until(|| order.status().is_some_and(|status| !status.tail.is_empty()));
    assert!(order.path("secrets/KEY").exists());
    fs::write(order.path("cancel"), "").unwrap();
    agent.end();
    assert_eq!(order.result().outcome, Outcome::Cancelled);
    is_nowhere(&order);

    order = Order::new(&[]).step(&["true"]).secret("KEY", KEY);
    order.last().secrets.push("MISSING".to_owned());
    let failure = order.run().failure.unwrap();
    assert_eq!(failure.kind, FailureKind::Agent);
    assert!(
        failure.message.contains("`MISSING` was not handed over"),
        "{failure:?}"
    );
    is_nowhere(&order);
}
