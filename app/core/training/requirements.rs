//! What a requirements file may say: named packages from an index, as wheels.
//!
//! A path, a repository or a source archive would run foreign build code outside of any confinement, so each is refused
//! with its line before an installer sees the file.

use super::spec::Trust;
use crate::name::RepoPath;

/// Options that only choose among wheels.
const HARMLESS: &[&str] = &[
    "--require-hashes",
    "--only-binary",
    "--prefer-binary",
    "--pre",
];
/// Options that say where wheels come from; a trusted commit may.
const INDEX: &[&str] = &[
    "-i",
    "--index-url",
    "--extra-index-url",
    "--trusted-host",
    "--no-index",
];

/// Whether every requirement carries its hashes.
pub fn has_hashes(text: &str) -> bool {
    text.contains("--hash=") || text.contains("--hash ")
}

/// Checks every line. Errors: a sentence that names the first line that must not be there.
pub fn check(text: &str, path: &RepoPath, trust: Trust) -> Result<(), String> {
    for (number, line) in logical_lines(text) {
        if let Some(why) = refused(&line, trust) {
            return Err(format!(
                "{path}:{number}: `{}` is refused: {why}",
                cut(&line)
            ));
        }
    }
    Ok(())
}

/// The requirement that names `package`: its line number and text.
pub fn line_of(text: &str, package: &str) -> Option<(usize, String)> {
    let wanted = normal(name_of(package));
    logical_lines(text)
        .find(|(_, line)| normal(name_of(line)) == wanted)
        .map(|(number, line)| {
            let shown = line
                .split(" --hash")
                .next()
                .unwrap_or(&line)
                .trim()
                .to_owned();
            (number, cut(&shown))
        })
}

fn refused(line: &str, trust: Trust) -> Option<&'static str> {
    let word = line.split([' ', '=', '\t']).next().unwrap_or(line);
    if word.starts_with('-') {
        let is_index = INDEX.contains(&word);
        return match trust {
            _ if HARMLESS.contains(&word) => None,
            Trust::Trusted if is_index => None,
            Trust::Untrusted if is_index => {
                Some("an untrusted change must not choose the package index")
            }
            Trust::Trusted | Trust::Untrusted => {
                Some("only named packages are installed, as wheels, from one file")
            }
        };
    }
    let requirement = line
        .split(" --hash")
        .next()
        .unwrap_or(line)
        .split(" #")
        .next()
        .unwrap_or(line);
    let (address, has_address) = match requirement.split_once('@') {
        Some((_, address)) => (address.trim(), true),
        None => (requirement.trim(), requirement.contains("://")),
    };
    if has_address {
        let file = address
            .split(['#', '?', ' ', ';'])
            .next()
            .unwrap_or(address);
        let is_wheel = address.starts_with("https://") && file.ends_with(".whl");
        return match trust {
            Trust::Trusted if is_wheel => None,
            Trust::Trusted | Trust::Untrusted => Some(
                "only wheels are installed, by name, never repositories, archives or addresses",
            ),
        };
    }
    let name = name_of(requirement);
    let marker_free = requirement.split(';').next().unwrap_or(requirement);
    let is_path = name.is_empty()
        || marker_free.contains('/')
        || marker_free.contains('\\')
        || marker_free.trim_start().starts_with('.');
    is_path.then_some("a path would be built outside of any confinement; name a package")
}

/// Lines with their continuations joined and comments dropped, each with the number of its first part.
fn logical_lines(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut lines = text.lines().enumerate();
    std::iter::from_fn(move || {
        let (index, first) = lines.next()?;
        let mut whole = first.to_owned();
        while whole.ends_with('\\') {
            whole.pop();
            let Some((_, more)) = lines.next() else { break };
            whole.push_str(more);
        }
        Some((index + 1, whole))
    })
    .map(|(number, line)| {
        let plain = if line.trim_start().starts_with('#') {
            ""
        } else {
            line.split(" #").next().unwrap_or("")
        };
        (number, plain.trim().to_owned())
    })
    .filter(|(_, line)| !line.is_empty())
}

fn name_of(requirement: &str) -> &str {
    let end =
        requirement.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
    &requirement[..end.unwrap_or(requirement.len())]
}

/// Source: PEP 503, normalised names.
fn normal(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}

fn cut(line: &str) -> String {
    line.chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_line(line: &str, trust: Trust) -> bool {
        check(line, &RepoPath::parse("requirements.lock").unwrap(), trust).is_ok()
    }

    #[test]
    fn named_packages_pass_and_everything_that_builds_is_refused() {
        for good in [
            "numpy==2.1.0 \\\n    --hash=sha256:00",
            "scikit-learn>=1.5 ; python_version >= '3.11'",
            "uvicorn[standard]",
            "# -e .",
            "--require-hashes",
        ] {
            assert!(check_line(good, Trust::Untrusted), "{good}");
        }
        for bad in [
            "-e .",
            "./local",
            "..",
            "local/dir",
            "git+https://example.org/x.git",
            "x @ git+https://example.org/x.git",
            "https://example.org/x.tar.gz",
            "-r other.txt",
            "--no-binary :all:",
            "--find-links=/tmp",
            "x @ file:///tmp/x",
            "-efoo",
        ] {
            assert!(!check_line(bad, Trust::Trusted), "{bad}");
        }
        assert!(check_line(
            "--index-url https://example.org/simple",
            Trust::Trusted
        ));
        assert!(!check_line(
            "--index-url https://example.org/simple",
            Trust::Untrusted
        ));
        assert!(check_line(
            "x @ https://example.org/x-1-py3-none-any.whl",
            Trust::Trusted
        ));
        let pinned = "x @ https://example.org/x-1%2Bcpu-cp311-cp311-linux.whl ; sys_platform == 'linux' \\\n    --hash=sha256:00";
        assert!(check_line(pinned, Trust::Trusted));
        assert!(!check_line(pinned, Trust::Untrusted));
    }

    #[test]
    fn a_package_is_found_by_its_normal_name() {
        let text = "# top\nnumpy==1\nscikit_learn==1.5 \\\n  --hash=sha256:00\n";
        assert_eq!(
            line_of(text, "scikit-learn==1.5"),
            Some((3, "scikit_learn==1.5".to_owned()))
        );
        assert_eq!(line_of(text, "pandas"), None);
    }
}
