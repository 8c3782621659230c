//! What a team keeps for all of it: whose quickstarts are offered, and where packs come from.

use super::Store;
use super::accounts::put_value;
use super::records::write_record;
use super::subjects::RINGS_SUBJECTS;
use anyhow::Context as _;
use bowsprit_core::catalogue::{Location, PackSource};
use bowsprit_core::effect::Record;
use bowsprit_core::name::Login;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A row of a list that the team keeps.
pub trait OfTeam: Serialize + DeserializeOwned {
    /// Under which name they are kept, and as whose the events of them are listed.
    const KEY: &'static str;
}

impl OfTeam for Location {
    const KEY: &'static str = "quickstartlocations";
}

impl OfTeam for PackSource {
    const KEY: &'static str = "packsources";
}

impl Store {
    /// The team's rows of one kind, oldest first.
    pub async fn of_team<T: OfTeam>(&self) -> anyhow::Result<Vec<T>> {
        let text = self.kv(T::KEY).await?;
        let kept = text.map_or(Ok(Vec::new()), |text| serde_json::from_str(&text));
        kept.with_context(|| format!("cannot read the team's {}", T::KEY))
    }

    /// Keeps `rows` in place of those before; `what` and `by` are what the record of it says.
    pub async fn put_of_team<T: OfTeam>(
        &self,
        rows: &[T],
        what: String,
        by: Option<Login>,
        now_ms: i64,
    ) -> anyhow::Result<()> {
        let text = serde_json::to_string(rows)?;
        let event = Record::Event {
            who: by,
            what,
            sha: None,
            why: String::new(),
        };
        let work = self.write(RINGS_SUBJECTS, move |conn| {
            Box::pin(async move {
                put_value(conn, T::KEY, &text).await?;
                write_record(conn, T::KEY, &event, now_ms).await
            })
        });
        Ok(work.await?)
    }
}
