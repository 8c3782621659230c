//! What is under way in a story's world, and why nothing is: for whoever reads a story that waited in vain.

use crate::harness::World;
use bowsprit_core::subject::environment::{Environment, Release};

impl World {
    pub(crate) async fn running(&self) -> Vec<String> {
        let rooms = &self.bot().rooms;
        let runs = rooms
            .store
            .list_runs(&bowsprit::store::RunFilter::default(), None, 50)
            .await
            .expect("a list");
        let mut busy: Vec<String> = runs
            .iter()
            .filter(|run| !run.phase.is_final())
            .map(|run| format!("run {} {:?}", run.id, run.shown))
            .collect();
        use bowsprit_core::serving::spec::RolloutPhase::{Starting, Verifying};
        for environment in rooms.store.list_environments(50).await.expect("a list") {
            if !environment.is_gone && matches!(environment.phase, Some(Starting | Verifying)) {
                busy.push(format!(
                    "environment {} {:?}",
                    environment.name, environment.phase
                ));
            }
        }
        busy
    }

    pub(crate) async fn unrest(&self) -> String {
        let Some(bot) = &self.bot else {
            return "the bot runs elsewhere".to_owned();
        };
        let rooms = &bot.rooms;
        let counts = rooms.store.counts().await.expect("counts");
        let effects = rooms
            .store
            .effects(Some(bowsprit_core::effect::EffectState::Intended), 10)
            .await
            .expect("a list");
        format!(
            "{counts:?} {:?} {effects:#?}\n{}\n{}",
            self.running().await,
            self.standing().await,
            self.waiting().await
        )
    }

    /// A line for every environment.
    async fn standing(&self) -> String {
        let store = &self.bot().rooms.store;
        let all = store.list_environments(50).await.expect("a list");
        let line = |e: &Environment| {
            let shown =
                |release: &Option<Release>| release.as_ref().map_or("-".to_owned(), |r| r.shown());
            let (wanted, live) = (shown(&e.wanted), shown(&e.live));
            format!(
                "{}: wants {wanted}, serves {live}, {:?} {:?}",
                e.name, e.phase, e.reason
            )
        };
        all.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// What the bot last said on every open pull request.
    async fn waiting(&self) -> String {
        let mut said = Vec::new();
        for repo in ["tiny-service", "tiny-training"] {
            let path = format!("/repos/ada/{repo}/pulls?per_page=100");
            let pulls = self.api("ada", "GET", &path, None).await;
            for pull in pulls.as_array().expect("a list") {
                let number = pull["number"].as_u64().expect("a number");
                let last = self.bot_says(repo, number).await.pop().unwrap_or_default();
                said.push(format!("{repo}#{number} {}\n{last}", pull["title"]));
            }
        }
        said.join("\n")
    }
}
