//! What the demo tells the person in front of it.

use super::world::{PEOPLE, World};
use crate::cli::out;
use crate::cli::tour::Brief;
use crate::worker::Rooms;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// How often the demo looks for news to tell.
const LOOK: Duration = Duration::from_millis(500);

/// The short guide.
pub(super) fn tell(world: &World, brief: &Brief, env: &Path, is_empty: bool) {
    let Brief {
        hub,
        bot,
        bot_token: token,
        ..
    } = brief;
    let (env, ada) = (env.display(), &brief.owner);
    out::line(&format!(
        "\nBowsprit is up.\n\n  GitHub (a stand-in)  {hub}\n  Bowsprit             {bot}\n  everything is in     {}\n",
        world.dir.display()
    ));
    out::line("People, each with a token (also their git password):");
    for (login, role) in PEOPLE {
        out::line(&format!("  {login:<6} {role:<32} {}", brief.token(login)));
    }
    out::line(&format!(
        "\nBowsprit's own pages and API take this token: {token}\n"
    ));
    if is_empty {
        out::line(&format!(
            "Next, in another terminal, be {ada} and make a pair:\n  set -a; . {env}; set +a\n  bowsprit create mlquickstart\n\nCtrl-C stops it; the next start goes on from there.\n"
        ));
        return;
    }
    out::line("What to do next:");
    out::line(&format!(
        "  1. Training runs now. Watch it: {hub}/ada/digits-training"
    ));
    out::line(&format!(
        "  2. Its model is proposed here:   {hub}/ada/digits-service"
    ));
    out::line(
        "     Be grace and comment /lgtm, be ada and comment /approve: it merges and staging serves it.",
    );
    out::line("  3. A promotion to production follows. Be rita and comment /approve.");
    out::line(&format!(
        "  4. git clone {hub}/ada/digits-training.git as linus, change C in bowsprit.yaml to 1.5, push: v2."
    ));
    out::line("  5. Be rita and comment /rollback production.");
    out::line(&format!(
        "  6. Make a pair of your own, in another terminal:\n     set -a; . {env}; set +a\n     bowsprit create mlquickstart\n\nCtrl-C stops it; the next start goes on from there.\n"
    ));
}

/// How the files that were written are used.
pub(super) fn tell_apart(files: [&Path; 3]) {
    let [hub, server, brief] = files.map(Path::display);
    out::line(&format!(
        "Start each in a terminal of its own:\n  bowsprit hub --config {hub}\n  bowsprit server --config {server}\nThen play the tour against them:\n  bowsprit tour --brief {brief}"
    ));
}

/// Tells what happens, as it happens; never ends.
pub(super) async fn progress(rooms: &Rooms) {
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    loop {
        for (what, word) in news(rooms).await.unwrap_or_default() {
            if told.get(&what) != Some(&word) {
                out::line(&format!("  {what:<28} {word}"));
                told.insert(what, word);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn news(rooms: &Rooms) -> anyhow::Result<Vec<(String, String)>> {
    let mut news = Vec::new();
    for run in rooms
        .store
        .list_runs(&crate::store::RunFilter::default(), None, 10)
        .await?
    {
        let word = run
            .shown
            .as_ref()
            .map_or_else(|| "recorded".to_owned(), |(word, _)| word.clone());
        let word = if run.phase.is_final() {
            bowsprit_core::subject::run::check::headline(&run)
        } else {
            word
        };
        news.push((
            format!("run {} {}", run.cause.what.check_name(), run.sha.short()),
            word,
        ));
    }
    for environment in rooms.store.list_environments(20).await? {
        let live = environment
            .live
            .as_ref()
            .map_or_else(|| "waiting for a model".to_owned(), |live| live.shown());
        let at = environment.url.clone().unwrap_or_default();
        news.push((
            format!("environment {}", environment.name),
            format!("{live} {at}"),
        ));
    }
    Ok(news)
}
