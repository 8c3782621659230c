//! The team's quickstart locations: whose repositories are offered as quickstarts.

use super::Store;
use super::accounts::put_value;
use super::records::write_record;
use super::subjects::RINGS_SUBJECTS;
use anyhow::Context as _;
use bowsprit_core::catalogue::Location;
use bowsprit_core::effect::Record;
use bowsprit_core::name::Login;

/// Under which name they are kept, and as whose the events of them are listed.
const LOCATIONS: &str = "quickstartlocations";

impl Store {
    /// The team's locations, oldest first.
    pub async fn locations(&self) -> anyhow::Result<Vec<Location>> {
        let text = self.kv(LOCATIONS).await?;
        let kept = text.map_or(Ok(Vec::new()), |text| serde_json::from_str(&text));
        kept.context("cannot read the quickstart locations")
    }

    /// Keeps `locations` in place of those before; `what` and `by` are what the record of it says.
    pub async fn put_locations(
        &self,
        locations: &[Location],
        what: String,
        by: Option<Login>,
        now_ms: i64,
    ) -> anyhow::Result<()> {
        let text = serde_json::to_string(locations)?;
        let event = Record::Event {
            who: by,
            what,
            sha: None,
            why: String::new(),
        };
        let work = self.write(RINGS_SUBJECTS, move |conn| {
            Box::pin(async move {
                put_value(conn, LOCATIONS, &text).await?;
                write_record(conn, LOCATIONS, &event, now_ms).await
            })
        });
        Ok(work.await?)
    }
}
