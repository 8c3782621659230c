//! How a stage stands in a queue of Kueue.
//!
//! Source: Kueue, "Workload" (`kueue.x-k8s.io/v1beta1`, conditions `QuotaReserved`, `Admitted`, `Evicted`) and
//! "Monitor pending Workloads on-demand" (`visibility.kueue.x-k8s.io`, `positionInLocalQueue`).

use crate::cluster::short;
use serde_json::Value;

/// How a stage stands in a queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Queued {
    /// Its place, 1 is next; `None` where Kueue does not tell.
    pub place: Option<u64>,
    /// Why it waits, in Kueue's words.
    pub why: Option<String>,
}

impl Queued {
    /// The same for a person.
    pub(super) fn in_words(&self, queue: &str) -> String {
        let place = match self.place {
            Some(place) => format!("place {place} in queue `{queue}`"),
            None => format!("waits in queue `{queue}`"),
        };
        match &self.why {
            Some(why) => format!("{place}: {why}"),
            None => place,
        }
    }
}

/// Reads Kueue's object of a Job, and its list of who waits, where either was given. Foreign: what is not there is not told.
pub fn queued(workload: Option<&Value>, pending: Option<&Value>) -> Queued {
    let name = workload.and_then(|workload| workload.pointer("/metadata/name")?.as_str());
    let items = pending.and_then(|pending| pending.get("items")?.as_array());
    let ours = items.into_iter().flatten().find(|item| {
        let item = item.pointer("/metadata/name").and_then(Value::as_str);
        item.is_some() && item == name
    });
    let place = ours.and_then(|item| item.get("positionInLocalQueue")?.as_u64());
    Queued {
        // Kueue counts from 0.
        place: place.map(|place| place.saturating_add(1)),
        why: workload.and_then(why),
    }
}

fn why(workload: &Value) -> Option<String> {
    let conditions = workload.pointer("/status/conditions")?.as_array()?;
    let message = |kind: &str, status: &str| {
        let found = conditions.iter().find(|condition| {
            condition.get("type").and_then(Value::as_str) == Some(kind)
                && condition.get("status").and_then(Value::as_str) == Some(status)
        })?;
        let text = short(found.get("message")?.as_str()?);
        (!text.is_empty()).then_some(text)
    };
    message("QuotaReserved", "False").or_else(|| message("Evicted", "True"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn kueue_is_read_as_far_as_it_tells() {
        let check = |workload: Option<Value>, pending: Option<Value>, want: &str| {
            let found = queued(workload.as_ref(), pending.as_ref()).in_words("team");
            assert_eq!(found, want);
        };
        let workload = |conditions: Value| {
            Some(json!({"metadata": {"name": "job-a"}, "status": {"conditions": conditions}}))
        };
        let short = json!([{"type": "QuotaReserved", "status": "False", "reason": "Pending",
            "message": "couldn't assign flavors to pod set main: insufficient unused quota for cpu in flavor default, 1 more needed"}]);
        let evicted = json!([{"type": "QuotaReserved", "status": "True", "message": ""},
            {"type": "Evicted", "status": "True", "message": "Preempted to accommodate a workload of higher priority"}]);
        let pending = Some(json!({"items": [
            {"metadata": {"name": "job-b"}, "positionInLocalQueue": 0},
            {"metadata": {"name": "job-a"}, "positionInLocalQueue": 1}]}));
        check(None, None, "waits in queue `team`");
        check(
            workload(short.clone()),
            None,
            "waits in queue `team`: couldn't assign flavors to pod set main: insufficient unused quota for cpu in flavor default, 1 more needed",
        );
        check(
            workload(short),
            pending.clone(),
            "place 2 in queue `team`: couldn't assign flavors to pod set main: insufficient unused quota for cpu in flavor default, 1 more needed",
        );
        check(
            workload(evicted),
            None,
            "waits in queue `team`: Preempted to accommodate a workload of higher priority",
        );
        check(workload(json!("x")), pending, "place 2 in queue `team`");
        check(
            Some(json!([])),
            Some(json!({"items": 1})),
            "waits in queue `team`",
        );
    }
}
