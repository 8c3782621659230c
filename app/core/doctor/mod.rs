//! What `bowsprit doctor` thinks of what it found: one finding a line, and what to do where something is wrong.
//!
//! Whoever looks hands over what was seen; nothing here looks.

mod cluster;
mod copied;
mod granted;
mod machine;
mod purpose;
mod quota;

pub use cluster::{NamespaceSeen, classes, kept, namespace, registry, rights, version};
pub use copied::copied;
pub use granted::granted;
pub use machine::{
    App, Disk, Hook, app, confinement, disk, git, installations, python, webhook, written_to,
};
pub use purpose::{Borne, Purpose, room};
pub use quota::{QuotaSeen, quota};

use serde::Serialize;

/// How a matter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// The server works; something will not, or could not be looked at.
    Warning,
    /// To be put right: the server does not work so, or not safely.
    Problem,
}

impl Verdict {
    /// As it is shown.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Problem => "problem",
        }
    }
}

/// One matter that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub about: String,
    /// How it stands.
    pub verdict: Verdict,
    /// What was seen.
    pub says: String,
    /// What to do; `None` where nothing is to be done.
    pub advice: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(about: &str, says: impl Into<String>) -> Finding {
        Finding {
            about: about.to_owned(),
            verdict: Verdict::Ok,
            says: says.into(),
            advice: None,
        }
    }

    /// Something to know of.
    pub fn warning(about: &str, says: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding {
            verdict: Verdict::Warning,
            advice: Some(advice.into()),
            ..Finding::ok(about, says)
        }
    }

    /// Something that keeps the server from its work.
    pub fn problem(about: &str, says: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding {
            verdict: Verdict::Problem,
            advice: Some(advice.into()),
            ..Finding::ok(about, says)
        }
    }
}

/// The findings as lines for a terminal: what is wrong has its advice below it.
pub fn told(findings: &[Finding]) -> String {
    let width = findings.iter().map(|one| one.about.chars().count()).max();
    let width = width.unwrap_or_default();
    let mut lines = Vec::new();
    for one in findings {
        let Finding { about, says, .. } = one;
        lines.push(format!(
            "{:<7}  {about:<width$}  {says}",
            one.verdict.word()
        ));
        if let Some(advice) = &one.advice {
            lines.push(format!("{:<7}  {:<width$}  → {advice}", "", ""));
        }
    }
    let count = |verdict: Verdict| findings.iter().filter(|one| one.verdict == verdict).count();
    let (problems, warnings) = (count(Verdict::Problem), count(Verdict::Warning));
    lines.push(match (problems, warnings) {
        (0, 0) => "\nall is well".to_owned(),
        (0, _) => format!("\nno problem, {}", counted(warnings, "warning")),
        (_, 0) => format!("\n{}", counted(problems, "problem")),
        (_, _) => format!(
            "\n{}, {}",
            counted(problems, "problem"),
            counted(warnings, "warning")
        ),
    });
    lines.join("\n")
}

/// Whether nothing keeps the server from its work.
pub fn is_well(findings: &[Finding]) -> bool {
    findings.iter().all(|one| one.verdict != Verdict::Problem)
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn findings_are_told_in_columns_with_advice_below() {
        let all = [
            Finding::ok("git", "2.39.5"),
            Finding::warning("confinement", "none here", "run it as root"),
            Finding::problem("disk", "1 GiB is free", "make room"),
        ];
        expect![[r#"
            ok       git          2.39.5
            warning  confinement  none here
                                  → run it as root
            problem  disk         1 GiB is free
                                  → make room

            1 problem, 1 warning"#]]
        .assert_eq(&told(&all));
        assert!(told(&all[..1]).ends_with("all is well"));
        assert!(told(&all[..2]).ends_with("no problem, 1 warning"));
        let two = [all[2].clone(), all[2].clone()];
        assert!(told(&two).ends_with("2 problems"));
    }

    #[test]
    fn a_warning_keeps_nobody_from_working() {
        let warning = Finding::warning("a", "b", "c");
        let problem = Finding::problem("a", "b", "c");
        assert!(is_well(&[Finding::ok("a", "b"), warning.clone()]));
        assert!(!is_well(&[warning, problem]));
    }
}
