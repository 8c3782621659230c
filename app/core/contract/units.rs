//! Amounts as people write them: `30m`, `250m` of a core, `1Gi`, a command line.

/// Longest command, in arguments.
const ARGUMENTS_MAX: usize = 100;
/// Longest argument. Units: bytes.
const ARGUMENT_BYTES_MAX: usize = 4_096;

/// A span of time: whole numbers with `s`, `m`, `h` or `d`, largest first. Units: seconds.
///
/// Errors: a phrase that says what is right.
pub(crate) fn duration_s(text: &str) -> Result<u64, String> {
    let wrong = || "write a span of time such as `5s`, `30m`, `72h` or `1h30m`".to_owned();
    let mut total: u64 = 0;
    let mut last_unit = u64::MAX;
    let mut rest = text;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let unit = match tail.chars().next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            Some(_) | None => return Err(wrong()),
        };
        if unit >= last_unit {
            return Err(wrong());
        }
        last_unit = unit;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        total = number
            .checked_mul(unit)
            .and_then(|part| total.checked_add(part))
            .ok_or_else(wrong)?;
        rest = tail.get(1..).unwrap_or_default();
    }
    Ok(total)
}

/// A share of processors: `1`, `0.5`, `250m`. Units: thousandths of a core.
///
/// Errors: a phrase that says what is right.
pub(crate) fn cpu_millis(text: &str) -> Result<u32, String> {
    const CORES_MAX: u64 = 256;
    let millis = match text.strip_suffix('m') {
        Some(number) => number.parse::<u64>().ok(),
        None => thousandths(text),
    };
    millis
        .filter(|millis| (1..=CORES_MAX * 1_000).contains(millis))
        .and_then(|millis| u32::try_from(millis).ok())
        .ok_or_else(|| format!("write cores such as `1`, `0.5` or `250m`, at most {CORES_MAX}"))
}

/// An amount of memory: `1Gi`, `512Mi`, `500M`, or bytes. Units: bytes.
///
/// Errors: a phrase that says what is right.
pub(crate) fn memory_bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 9] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("", 1),
    ];
    let (number, unit) = UNITS
        .iter()
        .find_map(|(suffix, unit)| text.strip_suffix(suffix).map(|number| (number, *unit)))
        .unwrap_or((text, 1));
    thousandths(number)
        .and_then(|amount| amount.checked_mul(unit))
        .map(|amount| amount / 1_000)
        .filter(|bytes| (1 << 20..=4 << 40).contains(bytes))
        .ok_or_else(|| {
            "write an amount of memory such as `512Mi`, `1Gi` or `500M`, from 1Mi to 4Ti".to_owned()
        })
}

/// A decimal number with at most three decimals, times 1000.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits =
        |text: &str| (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 3 {
        return None;
    }
    let part: u64 = format!("{part:0<3}").parse().ok()?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(1_000)?
        .checked_add(part)
}

/// A command written as one text, split as a shell would and never given to one.
///
/// Errors: a phrase that says what is wrong.
pub(crate) fn command_line(text: &str) -> Result<Vec<String>, String> {
    // The splitting library takes `#` for a comment; a command that silently lost its end would surprise.
    if text.split_whitespace().any(|word| word.starts_with('#')) {
        return Err("write a command with `#` as a list".to_owned());
    }
    let words = shlex::split(text).ok_or_else(|| "a quote is not closed".to_owned())?;
    if let Some(word) = words.iter().find(|word| is_shell_syntax(word)) {
        return Err(format!(
            "`{word}` needs a shell and none is used; put the line into a script, or write a list"
        ));
    }
    arguments(words)
}

/// A command's arguments, within their limits. Errors: a phrase that says what is wrong.
pub(crate) fn arguments(words: Vec<String>) -> Result<Vec<String>, String> {
    let Some(program) = words.first() else {
        return Err("the command is empty".to_owned());
    };
    if program.is_empty() {
        return Err("the program's name is empty".to_owned());
    }
    if words.len() > ARGUMENTS_MAX {
        return Err(format!(
            "the command has {} arguments, at most {ARGUMENTS_MAX} are allowed",
            words.len()
        ));
    }
    if words
        .iter()
        .any(|word| word.len() > ARGUMENT_BYTES_MAX || word.contains('\0'))
    {
        return Err(format!(
            "an argument may have {ARGUMENT_BYTES_MAX} bytes and no NUL"
        ));
    }
    Ok(words)
}

fn is_shell_syntax(word: &str) -> bool {
    ["&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1"].contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_or_refused() {
        for (text, seconds) in [
            ("5s", 5),
            ("30m", 1_800),
            ("72h", 259_200),
            ("1h30m", 5_400),
            ("2d", 172_800),
        ] {
            assert_eq!(duration_s(text), Ok(seconds), "{text}");
        }
        for text in [
            "",
            "5",
            "m",
            "5 m",
            "30m1h",
            "1.5h",
            "-1s",
            "99999999999999999999s",
            "99999999999999999d",
            "5é",
        ] {
            assert!(duration_s(text).is_err(), "{text}");
        }
        for (text, millis) in [("1", 1_000), ("250m", 250), ("0.5", 500), ("1.25", 1_250)] {
            assert_eq!(cpu_millis(text), Ok(millis), "{text}");
        }
        for text in ["", "0", "m", "1.2345", "1e3", "-1", "257", ".5", "1."] {
            assert!(cpu_millis(text).is_err(), "{text}");
        }
        for (text, bytes) in [
            ("1Gi", 1 << 30),
            ("512Mi", 512 << 20),
            ("500M", 500_000_000),
            ("1.5Gi", 3 << 29),
            ("2000000", 2_000_000),
        ] {
            assert_eq!(memory_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "Gi", "1GiB", "1 Gi", "5", "9999999999Gi", "-1Gi"] {
            assert!(memory_bytes(text).is_err(), "{text}");
        }
    }
}
