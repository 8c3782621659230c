//! The page for teams that come from Prow, with the table of its plugins.

use super::known::{Fate, PLUGINS};
use std::fmt::Write as _;

const HEAD: &str = "# Coming from Prow

```text
bowsprit migrate prow plugins.yaml config.yaml --job-config jobs --output moved
```

It reads what Prow's `plugins.yaml`, `config.yaml` and files of jobs say, and writes it in our words.
No server is asked and nothing is changed but the folder of `--output`, which must be empty or not there; `--dry-run` writes nothing at all, and `--json` tells it for machines.

| file | what it is | where it goes |
| --- | --- | --- |
| `bowsprit.toml` | habits of commands for each owner and repository | the server's file, see [CONFIGURATION](CONFIGURATION.md) |
| `contracts/<owner>/<name>.yaml` | `chatops` and `checks` of a repository | its `bowsprit.yaml`, on the branches that it is for |
| `REPORT.md` | what was carried over, and what was not: where it stands, why, and what to do instead | to be read |

What the files say ends in one of the two lists of the report; a key that is not known here is listed as not carried over.
A key that our own reader would refuse is not written, and the report says what the reader says.
`plugins.yaml` or `config.yaml` that is no good YAML ends the command with the line and the column; of a broken file of jobs the report says so, and the others are read.

## In this order

1. Run the command, and read the report from its top.
2. Set up the server ([OPERATING](OPERATING.md)) with `bowsprit.toml`, and install the App where Prow's was.
3. Give each repository a contract (`bowsprit import` writes one) with its part, and `bowsprit contract lint` it.
4. Take Prow's App off the repository, so that no command is carried out twice; until then `not_ours` leaves single commands to it.
5. Change what GitHub's rules of the branch require: nothing reports `tide` here, and a check has the name of its job, if the report does not say another. The same names stand in `contexts`.

## What differs

`compatibility = \"prow\"` is written for every owner, so words are taken as Prow takes them; [COMMANDS](COMMANDS.md#habits-of-prow) lists the switches.
What stays different:

- Settings lie over one another: those of a repository over those of its owner, and the contract of the base branch over both. In Prow an entry for a repository replaces that of its owner, so the command writes out what the entry leaves as Prow has it.
- An lgtm and an approval are always needed, whichever plugins are on.
- `/override` is for administrators of the repository, and for whom `override_by_top_level_owners` and `overriders` name.
- Labels are shown and not read: `labels_by_hand` lets those count that Prow lets count. No other label holds or merges a change.
- Checks stand in the contract of the base branch, which belongs to one branch, so a job's `branches` become contracts.
- A check runs its command shut in, without volumes, variables or rights in the cluster, and ends after 30 minutes unless it says `timeout`. Prow waits for 24 hours.
- An image counts by its digest; one by a tag is left out, and the check runs in the contract's `runtime`.
- `only_org_members` holds on branches of the repository as well. It and teams of `sticky_lgtm` need the App's permission to read members of the organisation.
- How a pull request is merged is `merge_method`, of a repository or of a contract; the texts of merges are the server's.
- Tide tests a change on its base as that is now, and again when it moved. Here a change merges by the checks of its own head, unless `merge_tests` says how many tests of what is ready, merged as it would land, are under way at once; `merge_tests: 1` is nearest to Tide.
- With Prow's habits whatever somebody else reports on a commit must be green, as for Tide; `contexts` says otherwise, and `context_options` becomes that. What GitHub's rules of the branch require is required whatever it says. A pattern of `optional-regex-contexts`, and what is said of one branch, are not carried over.
- What is ready merges by priority, then by how long it has been ready, then by number. Tide merges the lowest number first.
- `/lgtm`, `/lgtm cancel`, `/close` and `/reopen` count from who may triage or write. Prow takes them from every collaborator; one who may only read is not told from everybody in a public repository, so name such people in OWNERS for their `/lgtm`.
- An lgtm starts the checks of a pull request that is not trusted, once for that head, as in Prow; but not with `ignore_ok_to_test`, nor by the label alone, and with `only_org_members` only if a member gives it.
- `/approve` in a description counts, as every word there does. Prow does not count it.
- `/override`, `/override-sticky` and `/override-cancel` of one comment are done from line to line. Prow takes the cancels first, then the sticky ones, then the others.
- A trusted draft gets no comment of its own: the status comment says that nothing runs by itself, and that `/test all` does.
- `/hold` on a closed pull request puts no label on; it holds once the pull request is open again.
- Other bots are never heard: a command of theirs does nothing, wherever it stands, and a label that they put on lets nothing count. What they report on a commit counts as anybody's does. What they push or merge themselves is for GitHub to allow; `trusted_apps` has their code run, and no more.

## Plugins

| plugin | here |
| --- | --- |
";

/// The page.
pub fn guide_markdown() -> String {
    let mut page = HEAD.to_owned();
    for (name, fate) in PLUGINS {
        // Writing into a text cannot fail.
        let _ = match fate {
            Fate::Same(how) => writeln!(page, "| `{name}` | {how} |"),
            Fate::Left(why, "") => writeln!(page, "| `{name}` | not carried over: {why} |"),
            Fate::Left(why, instead) => {
                writeln!(
                    page,
                    "| `{name}` | not carried over: {why}; instead: {instead} |"
                )
            }
        };
    }
    page
}
