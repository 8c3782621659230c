//! Quotas of a namespace: whether there are any, and how much of them is left.

use super::Finding;

/// From this part on a quota is told as nearly used up. Units: percent.
const QUOTA_FULL: f64 = 90.0;

/// One line of a quota, as the API server writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaSeen {
    /// Such as `requests.cpu`.
    pub resource: String,
    /// Such as `1500m`.
    pub used: String,
    /// Such as `64`.
    pub hard: String,
}

/// Quotas of a namespace, all lines of all of them. Errors: why they cannot be seen.
pub fn quota(namespace: &str, seen: Result<&[QuotaSeen], &str>) -> Finding {
    let about = &format!("quota of {namespace}");
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) => {
            return Finding::warning(
                about,
                format!("cannot be seen: {error}"),
                "give the bot the chart's Role in it",
            );
        }
    };
    if seen.is_empty() {
        return Finding::warning(
            about,
            "none",
            "runs may take the whole cluster: make a ResourceQuota, as the chart does",
        );
    }
    let shares: Vec<(f64, &QuotaSeen)> = seen
        .iter()
        .filter_map(|line| {
            let (used, hard) = (amount(&line.used)?, amount(&line.hard)?);
            // A quota of 0 forbids a kind of object, and is never full.
            (hard > 0.0).then(|| (used / hard * 100.0, line))
        })
        .collect();
    let fullest = shares.iter().max_by(|(a, _), (b, _)| a.total_cmp(b));
    let Some((share, line)) = fullest else {
        return Finding::ok(about, "there is one");
    };
    let QuotaSeen {
        resource,
        used,
        hard,
    } = line;
    let says = format!("{resource}: {used} of {hard} used");
    if *share >= QUOTA_FULL {
        return Finding::warning(
            about,
            says,
            "new work will wait: raise the quota, or remove what has ended",
        );
    }
    Finding::ok(about, says)
}

/// A quantity of Kubernetes as a number. Source: Kubernetes, "Quantity".
pub(super) fn amount(text: &str) -> Option<f64> {
    let at = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(at);
    let times = match suffix {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "Ki" => f64::from(1 << 10),
        "Mi" => f64::from(1 << 20),
        "Gi" => f64::from(1 << 30),
        "Ti" => 1_024.0 * f64::from(1 << 30),
        "Pi" => 1_048_576.0 * f64::from(1 << 30),
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * times)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use Verdict::{Ok as Fine, Warning};

    #[test]
    fn a_quota_is_told_by_its_fullest_line() {
        let line = |resource: &str, used: &str, hard: &str| QuotaSeen {
            resource: resource.to_owned(),
            used: used.to_owned(),
            hard: hard.to_owned(),
        };
        for (seen, verdict, says) in [
            (vec![], Warning, "none"),
            (vec![line("services", "0", "0")], Fine, "there is one"),
            (
                vec![
                    line("pods", "3", "10"),
                    line("requests.cpu", "500m", "1"),
                    line("services", "0", "0"),
                ],
                Fine,
                "requests.cpu: 500m of 1 used",
            ),
            (
                vec![line("limits.memory", "1023Mi", "1Gi")],
                Warning,
                "limits.memory: 1023Mi of 1Gi used",
            ),
            (
                vec![line("pods", "89", "100")],
                Fine,
                "pods: 89 of 100 used",
            ),
            (
                vec![line("pods", "90", "100")],
                Warning,
                "pods: 90 of 100 used",
            ),
        ] {
            let found = quota("training", Ok(&seen));
            assert_eq!((found.verdict, found.says.as_str()), (verdict, says));
        }
        assert_eq!(quota("training", Err("no")).verdict, Warning);
    }
}
