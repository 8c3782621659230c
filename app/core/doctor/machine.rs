//! The machine of the server, and GitHub as it is seen from there.

use super::Finding;
use std::collections::{BTreeMap, BTreeSet};

/// The oldest git that merges without a work tree. Source: git 2.38, `git merge-tree --write-tree`.
const GIT_MIN: (u32, u32) = (2, 38);
/// One GiB. Units: bytes.
const GIB: u64 = 1 << 30;

/// Our App as GitHub describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct App {
    /// Its name in addresses.
    pub slug: String,
    /// Permission to level.
    pub permissions: BTreeMap<String, String>,
    /// Events that it is told.
    pub events: BTreeSet<String>,
}

/// A disk, and what shall stay free of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Units: bytes.
    pub free: u64,
    /// Units: bytes.
    pub all: u64,
    /// Units: percent of the disk.
    pub keep_percent: u64,
    /// Enough on a disk of any size. Units: bytes.
    pub keep_bytes: u64,
}

/// The system's git, from what `git --version` printed; `None` where there is none.
pub fn git(said: Option<&str>) -> Finding {
    const ABOUT: &str = "git";
    let advice = "install git 2.38 or newer where the server finds it on PATH";
    let Some(said) = said else {
        return Finding::problem(ABOUT, "there is no git", advice);
    };
    let version = said.trim().trim_start_matches("git version ");
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) >= GIT_MIN => Finding::ok(ABOUT, version),
        (Some(_), Some(_)) => Finding::problem(ABOUT, format!("{version} is too old"), advice),
        (_, _) => Finding::warning(ABOUT, format!("`{said}` names no version"), advice),
    }
}

/// Python with `venv`, where training or serving happens on this machine. `found`: its version, or what is missing.
pub fn python(is_needed: bool, found: Result<&str, &str>) -> Finding {
    const ABOUT: &str = "python";
    match (is_needed, found) {
        (false, _) => Finding::ok(
            ABOUT,
            "not needed: nothing trains or serves on this machine",
        ),
        (true, Ok(version)) => Finding::ok(ABOUT, format!("{version}, with venv")),
        (true, Err(missing)) => Finding::problem(
            ABOUT,
            missing,
            "install python3 with venv (Debian: python3-venv), or set `runs.backend` and `releases.backend` to `kubernetes`",
        ),
    }
}

/// Whether steps can be shut in here; `shortfall` is what is missing.
pub fn confinement(is_needed: bool, shortfall: Option<&str>) -> Finding {
    const ABOUT: &str = "confinement";
    match (is_needed, shortfall) {
        (false, _) => Finding::ok(ABOUT, "not needed: pods and network policies confine"),
        (true, None) => Finding::ok(ABOUT, "steps and servers are shut in"),
        (true, Some(missing)) => Finding::warning(
            ABOUT,
            format!("none: {missing}"),
            "only trusted commits run, and verdicts say `unconfined`; run as root with namespaces, or on Linux 6.12",
        ),
    }
}

/// Room for the state; `None` where the disk cannot be asked.
pub fn disk(found: Option<Disk>) -> Finding {
    const ABOUT: &str = "disk";
    let Some(found) = found else {
        return Finding::problem(
            ABOUT,
            "the disk of `state_dir` cannot be asked",
            "see that the directory is there and belongs to the server's user",
        );
    };
    let Disk { free, all, .. } = found;
    let says = format!("{} GiB of {} GiB are free", free / GIB, all / GIB);
    let part = u128::from(all) * u128::from(found.keep_percent) / 100;
    if u128::from(free) < part && free < found.keep_bytes {
        return Finding::problem(
            ABOUT,
            says,
            "make room, or move `limits.disk_free_percent` and `limits.disk_free_bytes`: no delivery is taken so",
        );
    }
    Finding::ok(ABOUT, says)
}

/// The App's key, permissions and events. `wanted` is what app.yml asks for; an error is what GitHub answered.
pub fn app(found: Result<&App, &str>, wanted: &App) -> Finding {
    const ABOUT: &str = "GitHub App";
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            return Finding::problem(
                ABOUT,
                format!("GitHub does not know us: {error}"),
                "check `github.api_url`, `github.app_id` and `github.private_key_file`, this machine's clock, and the way to GitHub",
            );
        }
    };
    let mut lacking: Vec<String> = wanted
        .permissions
        .iter()
        .filter(|(name, level)| !holds(&found.permissions, name, level))
        .map(|(name, level)| format!("permission {name}: {level}"))
        .collect();
    let deaf = wanted.events.difference(&found.events);
    lacking.extend(deaf.map(|event| format!("event {event}")));
    if lacking.is_empty() {
        return Finding::ok(
            ABOUT,
            format!("{}, with all permissions and events", found.slug),
        );
    }
    Finding::problem(
        ABOUT,
        format!("{} lacks {}", found.slug, lacking.join(", ")),
        "add them in the App's settings, and accept them for each installation",
    )
}

/// Who has installed the App: how many, and how many of them suspended it.
pub fn installations(found: Result<(usize, usize), &str>) -> Finding {
    const ABOUT: &str = "installations";
    match found {
        Err(error) => Finding::warning(
            ABOUT,
            format!("cannot be listed: {error}"),
            "see to the App first",
        ),
        Ok((0, _)) => Finding::warning(
            ABOUT,
            "nobody has installed the App",
            "install it on both repositories of a pair",
        ),
        Ok((all, suspended)) if suspended > 0 => Finding::warning(
            ABOUT,
            format!("{all}, of which {suspended} suspended"),
            "who suspended an installation ends that in its settings at GitHub",
        ),
        Ok((all, _)) => Finding::ok(ABOUT, all.to_string()),
    }
}

/// Whether permissions hold one at this level or a higher one.
pub(super) fn holds(found: &BTreeMap<String, String>, name: &str, level: &str) -> bool {
    matches!(found.get(name).map(String::as_str), Some(held) if held == level || held == "write" || held == "admin")
}

/// The repository that releases are written to. `found`: whether its branch is there, `None` where no installation shows it.
pub fn written_to(name: &str, branch: &str, found: Result<Option<bool>, &str>) -> Finding {
    const ABOUT: &str = "releases repository";
    match found {
        Err(error) => Finding::warning(
            ABOUT,
            format!("{name} cannot be looked at: {error}"),
            "see to the App first",
        ),
        Ok(None) => Finding::problem(
            ABOUT,
            format!("no installation of the App shows {name}"),
            "install the App on it, or set `gitops.repository` right",
        ),
        Ok(Some(false)) => Finding::problem(
            ABOUT,
            format!("{name} has no branch {branch}"),
            "make the branch with a first commit, or set `gitops.branch` right",
        ),
        Ok(Some(true)) => Finding::ok(ABOUT, format!("{name}, branch {branch}")),
    }
}

/// The App's webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Where deliveries are sent.
    pub url: String,
    /// Whether they come as forms, and not as JSON.
    pub is_form: bool,
}

/// Where GitHub sends deliveries, against where we listen. `found`: the address, `None` for an App without a webhook.
pub fn webhook(found: Result<Option<&Hook>, &str>, public_url: &str) -> Finding {
    const ABOUT: &str = "webhook";
    let wanted = format!("{public_url}/webhook");
    let advice = format!("set the App's webhook to {wanted}");
    let found = match found {
        Err(error) => return Finding::warning(ABOUT, format!("cannot be asked: {error}"), advice),
        Ok(found) => found.filter(|found| !found.url.is_empty()),
    };
    let Some(Hook { url, is_form }) = found else {
        return Finding::warning(
            ABOUT,
            "the App has none",
            format!("{advice}; without one, make `reconcile.every` short"),
        );
    };
    if *is_form {
        return Finding::problem(
            ABOUT,
            "GitHub sends forms, which are refused",
            "set the content type of the App's webhook to application/json",
        );
    }
    if url.trim_end_matches('/') != wanted {
        return Finding::problem(ABOUT, format!("GitHub sends to {url}"), advice);
    }
    let host = wanted.split("://").nth(1).unwrap_or_default();
    let is_here = ["localhost", "127.", "[::1]", "0.0.0.0"];
    if is_here.iter().any(|start| host.starts_with(start)) {
        return Finding::warning(
            ABOUT,
            format!("{url} leads to this machine only"),
            "set `public_url` to an address that GitHub reaches, or make `reconcile.every` short",
        );
    }
    Finding::ok(ABOUT, url)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use Verdict::{Ok as Fine, Problem, Warning};

    #[test]
    fn git_must_merge_without_a_work_tree() {
        for (said, verdict) in [
            (Some("git version 2.39.5\n"), Fine),
            (Some("git version 2.38.0"), Fine),
            (Some("git version 3.0.1"), Fine),
            (Some("git version 2.39.3 (Apple Git-146)"), Fine),
            (Some("git version 2.37.9"), Problem),
            (Some("git version 1.99"), Problem),
            (Some("hello"), Warning),
            (None, Problem),
        ] {
            assert_eq!(git(said).verdict, verdict, "{said:?}");
        }
    }

    #[test]
    fn python_and_confinement_count_only_where_code_runs_here() {
        for (is_needed, found, verdict) in [
            (true, Ok("3.11.2"), Fine),
            (true, Err("no venv"), Problem),
            (false, Err("no python3"), Fine),
        ] {
            assert_eq!(python(is_needed, found).verdict, verdict, "{found:?}");
        }
        for (is_needed, shortfall, verdict) in [
            (true, None, Fine),
            (true, Some("Landlock 1"), Warning),
            (false, Some("Landlock 1"), Fine),
        ] {
            let found = confinement(is_needed, shortfall);
            assert_eq!(found.verdict, verdict, "{shortfall:?}");
        }
    }

    #[test]
    fn a_disk_is_a_problem_when_the_door_would_shut() {
        let of = |free, all| Disk {
            free: free * GIB,
            all: all * GIB,
            keep_percent: 10,
            keep_bytes: 5 * GIB,
        };
        for (found, verdict) in [
            (Some(of(3, 20)), Fine),
            (Some(of(1, 20)), Problem),
            (Some(of(6, 1_000)), Fine),
            (Some(of(4, 1_000)), Problem),
            (None, Problem),
        ] {
            assert_eq!(disk(found).verdict, verdict, "{found:?}");
        }
    }

    #[test]
    fn releases_need_a_repository_that_is_shown_and_its_branch() {
        for (found, verdict) in [
            (Ok(Some(true)), Fine),
            (Ok(Some(false)), Problem),
            (Ok(None), Problem),
            (Err("GitHub is away"), Warning),
        ] {
            let finding = written_to("ada/config", "main", found);
            assert_eq!(finding.verdict, verdict, "{found:?}");
        }
    }

    fn an_app(permissions: &[(&str, &str)], events: &[&str]) -> App {
        let permissions = permissions
            .iter()
            .map(|(name, level)| ((*name).to_owned(), (*level).to_owned()));
        App {
            slug: "bowsprit".to_owned(),
            permissions: permissions.collect(),
            events: events.iter().map(|event| (*event).to_owned()).collect(),
        }
    }

    #[test]
    fn an_app_must_hold_every_permission_and_hear_every_event() {
        let wanted = an_app(&[("checks", "write"), ("metadata", "read")], &["push"]);
        for (found, lacks) in [
            (wanted.clone(), ""),
            (
                an_app(
                    &[("checks", "write"), ("metadata", "write")],
                    &["push", "fork"],
                ),
                "",
            ),
            (
                an_app(&[("checks", "read"), ("metadata", "read")], &["push"]),
                "permission checks: write",
            ),
            (
                an_app(&[("metadata", "read")], &[]),
                "permission checks: write, event push",
            ),
        ] {
            let finding = app(Ok(&found), &wanted);
            let is_fine = lacks.is_empty();
            assert_eq!(finding.verdict == Fine, is_fine, "{found:?}");
            assert!(finding.says.contains(lacks), "{}", finding.says);
        }
        assert_eq!(app(Err("401"), &wanted).verdict, Problem);
    }

    #[test]
    fn an_app_that_nobody_installed_waits_for_somebody() {
        for (found, verdict) in [
            (Ok((2, 0)), Fine),
            (Ok((2, 1)), Warning),
            (Ok((0, 0)), Warning),
            (Err("401"), Warning),
        ] {
            assert_eq!(installations(found).verdict, verdict, "{found:?}");
        }
    }

    #[test]
    fn a_webhook_must_lead_here() {
        let url = "https://bot.example.org";
        let here = "https://bot.example.org/webhook";
        for (found, public_url, verdict) in [
            (here, url, Fine),
            ("https://bot.example.org/webhook/", url, Fine),
            ("https://bot.example.org/", url, Problem),
            ("https://old.example.org/webhook", url, Problem),
            ("", url, Warning),
            (
                "http://127.0.0.1:8080/webhook",
                "http://127.0.0.1:8080",
                Warning,
            ),
        ] {
            let hook = Hook {
                url: found.to_owned(),
                is_form: false,
            };
            let finding = webhook(Ok(Some(&hook)), public_url);
            assert_eq!(finding.verdict, verdict, "{found:?}");
        }
        let forms = Hook {
            url: here.to_owned(),
            is_form: true,
        };
        assert_eq!(webhook(Ok(Some(&forms)), url).verdict, Problem);
        assert_eq!(webhook(Ok(None), url).verdict, Warning);
        assert_eq!(webhook(Err("no way"), url).verdict, Warning);
    }
}
