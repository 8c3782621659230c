//! `bowsprit comment`: says something on a pull request or issue, as a person with a token of their own.

use super::git_host::GitHostArgs;
use super::out;
use super::place::Numbered;
use clap::Args;
use serde_json::json;

/// What is said, and where.
#[derive(Debug, Args)]
pub(super) struct Comment {
    /// OWNER/REPO#NUMBER of a pull request or an issue
    on: Numbered,
    /// What to say, such as /lgtm; `bowsprit commands` lists what is heard
    text: String,
    #[command(flatten)]
    host: GitHostArgs,
}

/// Says it, and tells who did. Errors: no token, or the git server's no.
pub(super) async fn run(args: Comment, is_json: bool) -> anyhow::Result<()> {
    let host = args.host.open()?;
    let login = host.login().await?;
    let url = host.comment(&args.on, &args.text).await?;
    match is_json {
        true => out::json(&json!({"by": login, "url": url})),
        false => out::line(&format!("{login} said it: {url}")),
    }
    Ok(())
}
