//! One look at an environment in the cluster: mended where it is not as ordered, judged, told.
//!
//! An order that cannot serve is taken back: the Deployment is what it was when it served last, or the files of it are.
//! Whether an environment is applied or written, what the cluster then shows is judged alike.

#[cfg(test)]
mod tests;

use super::ledger::{Ledger, Wanted};
use super::papers::{Kept, Papers, Verdict};
use super::yard::{Sight, Yard};
use anyhow::Context as _;
use bowsprit_core::name::{RepoPath, Slug};
use bowsprit_core::serving::gitops;
use bowsprit_core::serving::manifests::Manifests;
use bowsprit_core::serving::objects::{self, Door, Expose, Objects, Site};
use bowsprit_core::serving::rollout::{self, Order, View};
use bowsprit_core::serving::spec::{Live, RolloutPhase, ServeSpec, Serving};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use secrecy::ExposeSecret as _;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// What one look found.
pub(super) struct Found {
    /// Whether something else is live, or is said of it, than before.
    pub(super) is_news: bool,
    /// The pods, whose logs are followed.
    pub(super) pods: Vec<Pod>,
}

/// Applies the last order, or writes it. Errors: what the API server or GitHub said, or what cannot be read.
pub(super) async fn apply(yard: &Yard, papers: &Papers) -> anyhow::Result<()> {
    let site = papers.site()?.context("it has no place yet")?;
    let order = papers.desk.wanted()?.context("it has no order yet")?;
    let door = door(papers, &order)?;
    let rollout = papers.rollout()?;
    let manifests = papers.manifests()?;
    let made = yard.make(&site, rollout.as_ref(), &manifests).await?;
    // Written first: what is found in the cluster later can be brought back as it was sent.
    papers.write_sent(made.deployment.as_ref())?;
    let Some((ledger, folder)) = yard.ledger(&site) else {
        return Ok(yard.put(&site, &made, &door).await?);
    };
    // No Secret is written: it comes to the cluster from here, before anything needs it.
    yard.put_door(&site, &door).await?;
    let wanted = Wanted {
        files: files(&made)?,
        message: papers.message()?,
        is_doubtful: true,
    };
    ledger.put(papers, folder, wanted).await
}

fn files(made: &Objects) -> anyhow::Result<BTreeMap<String, String>> {
    gitops::files(made).map_err(|why| anyhow::anyhow!("cannot write the objects as YAML: {why}"))
}

/// Applies the rules of the gateway alone. Errors: as [`apply`].
pub(super) async fn apply_door(yard: &Yard, papers: &Papers) -> anyhow::Result<()> {
    let site = papers.site()?.context("it has no place yet")?;
    let order = papers.desk.wanted()?.context("it has no order yet")?;
    Ok(yard.put_door(&site, &door(papers, &order)?).await?)
}

/// What its pods are handed: those of this order, and those of the one that served last.
fn door(papers: &Papers, order: &ServeSpec) -> anyhow::Result<Door> {
    let rules = serde_json::to_vec(&order.door).context("cannot write the rules of the gateway")?;
    let mut orders = BTreeMap::new();
    let kept = papers.kept()?.map(|kept| kept.spec);
    for order in kept.iter().chain([order]) {
        if let Some(text) = super::mounted(order)? {
            orders.insert(order.release.clone(), text);
        }
    }
    Ok(Door {
        token: papers.token()?.expose_secret().to_owned(),
        rules,
        orders,
    })
}

/// Looks at an environment. Errors: as [`apply`].
pub(super) async fn look(yard: &Yard, papers: &Papers) -> anyhow::Result<Option<Found>> {
    if papers.is_ending() {
        return Ok(None);
    }
    let (Some(site), Some(order)) = (papers.site()?, papers.desk.wanted()?) else {
        return Ok(None);
    };
    let sight = yard.look(&site).await?;
    let kept = papers.kept()?;
    let case = Case {
        yard,
        papers,
        site: &site,
        order: &order,
    };
    let view = match papers.verdict(order.generation)? {
        Some(verdict) => {
            let now = sight.deployment.as_ref();
            match case.stand_back(kept.as_ref(), now, &verdict).await {
                Ok(()) => failed(verdict.reason),
                // That it failed is told all the same, and the next look tries again.
                Err(error) => failed(format!(
                    "{}; what it brought to the cluster is not taken back yet: {error:#}",
                    verdict.reason
                )),
            }
        }
        None => case.follow(kept.as_ref(), &sight).await?,
    };
    let live = case.live(view, &sight)?;
    let is_news = is_other(papers.live(), &live);
    if is_news {
        papers.write_live(&live)?;
    }
    Ok(Some(Found {
        is_news,
        pods: sight.pods,
    }))
}

/// Whether something else is said than before, the time apart.
fn is_other(before: Option<Live>, live: &Live) -> bool {
    before.is_none_or(|before| {
        let before = Live {
            updated_ms: live.updated_ms,
            ..before
        };
        before != *live
    })
}

/// Says that an environment cannot be looked at, and why; what was known of it stays. Whether that is news.
pub(super) fn tell_trouble(papers: &Papers, words: &str) -> anyhow::Result<bool> {
    let Some(order) = papers.desk.wanted()? else {
        return Ok(false);
    };
    let before = papers.live();
    let is_of_order = |live: &&Live| live.generation == order.generation;
    let phase = before.as_ref().filter(is_of_order).map(|live| live.phase);
    if phase == Some(RolloutPhase::Failed) {
        // Why it failed is worth more than why nobody sees it now.
        return Ok(false);
    }
    let known = before.as_ref();
    let live = Live {
        generation: order.generation,
        phase: phase.unwrap_or(RolloutPhase::Starting),
        reason: Some(format!("it cannot be looked at: {words}")),
        serving: known.and_then(|live| live.serving.clone()),
        url: known.map(|live| live.url.clone()).unwrap_or_default(),
        pid: 0,
        updated_ms: now_ms(),
    };
    let is_news = is_other(before, &live);
    if is_news {
        papers.write_live(&live)?;
    }
    Ok(is_news)
}

struct Case<'a> {
    yard: &'a Yard,
    papers: &'a Papers,
    site: &'a Site,
    order: &'a ServeSpec,
}

impl Case<'_> {
    /// Goes on with an order that is not over.
    async fn follow(&self, kept: Option<&Kept>, sight: &Sight) -> anyhow::Result<View> {
        let answered = sight.deployment.as_ref().and_then(rollout::answers);
        let is_whole = sight.service.is_some();
        if self.order.server.is_none() {
            if !is_whole || sight.deployment.is_some() {
                apply(self.yard, self.papers).await?;
            }
            self.papers.write_kept(None)?;
            return Ok(View {
                phase: RolloutPhase::Waiting,
                reason: None,
            });
        }
        if answered != Some(self.order.generation) || !is_whole {
            apply(self.yard, self.papers).await?;
        }
        let order = Order {
            release: &self.order.release,
            generation: self.order.generation,
            has_served: kept.is_some_and(|kept| kept.spec.release == self.order.release),
        };
        let view = match self.unsynced(answered, order.has_served)? {
            Some(view) => view,
            None => rollout::view(&order, sight.deployment.as_ref(), &sight.pods),
        };
        match view.phase {
            RolloutPhase::Failed => {
                let reason = view.reason.clone().unwrap_or_default();
                let verdict = Verdict::new(order.generation, reason);
                self.papers.write_verdict(&verdict)?;
                self.stand_back(kept, sight.deployment.as_ref(), &verdict)
                    .await?;
            }
            RolloutPhase::Live => self.keep(kept).await?,
            RolloutPhase::Waiting | RolloutPhase::Starting | RolloutPhase::Verifying => {}
        }
        Ok(view)
    }

    /// How the order stands while it is written and the cluster does not show it.
    fn unsynced(&self, answered: Option<u64>, has_served: bool) -> anyhow::Result<Option<View>> {
        match self.yard.ledger(self.site) {
            Some((ledger, _)) if answered != Some(self.order.generation) => {
                ledger.view(self.papers, has_served)
            }
            Some(_) | None => Ok(None),
        }
    }

    /// Brings back what served last; where nothing did, ends what was tried.
    async fn stand_back(
        &self,
        kept: Option<&Kept>,
        now: Option<&Deployment>,
        verdict: &Verdict,
    ) -> anyhow::Result<()> {
        let answered = now.and_then(rollout::answers);
        if let Some(place) = self.yard.ledger(self.site) {
            return self.write_back(place, kept, answered).await;
        }
        // What was refused before its pods came may have brought other objects.
        let is_back = verdict.is_back
            && match kept {
                Some(kept) => answered == rollout::answers(&kept.deployment),
                None => now.is_none(),
            };
        if is_back {
            return Ok(());
        }
        match kept {
            Some(kept) => self.bring_back(kept, now).await?,
            None => {
                self.yard.end_pods(self.site).await?;
                self.prune(&Manifests::default()).await?;
            }
        }
        self.papers.write_verdict(&Verdict {
            is_back: true,
            ..verdict.clone()
        })
    }

    /// Makes everything what it was when this release served; as many pods stay as its own limits let.
    async fn bring_back(&self, kept: &Kept, now: Option<&Deployment>) -> anyhow::Result<()> {
        let replicas = now.and_then(|now| now.spec.as_ref()?.replicas);
        let former = (&kept.deployment, kept.rollout.as_ref());
        let context = &self.yard.context;
        let made = objects::former(self.site, former, context, replicas, &kept.manifests);
        match &kept.rollout {
            Some(_) => self.yard.put_objects(self.site, &made).await?,
            // It was noted before this was kept: what stands beside its Deployment is not known.
            None => self.yard.restore(self.site, &made).await?,
        }
        self.prune(&kept.manifests).await
    }

    /// The same where releases are written: the files are what they were, and the syncer follows.
    async fn write_back(
        &self,
        (ledger, folder): (&Ledger, &RepoPath),
        kept: Option<&Kept>,
        answered: Option<u64>,
    ) -> anyhow::Result<()> {
        if self.papers.written()?.is_none() {
            // The repository was refused us: nothing there is to be taken back.
            return Ok(());
        }
        let context = &self.yard.context;
        let files = match kept {
            None => files(&objects::objects(
                self.site,
                None,
                context,
                None,
                &Manifests::default(),
            ))?,
            Some(kept) => match &kept.files {
                Some(files) => files.clone(),
                // It served when releases were still applied.
                None => {
                    let last = self.papers.rollout()?;
                    let rollout = kept.rollout.as_ref().or(last.as_ref());
                    let served = (&kept.deployment, rollout);
                    let own = &kept.manifests;
                    files(&objects::former(self.site, served, context, None, own))?
                }
            },
        };
        let former = kept.map(|kept| kept.spec.release.as_str());
        let wanted = Wanted {
            files,
            message: gitops::return_message(self.site, &self.order.release, former),
            is_doubtful: answered != kept.and_then(|kept| rollout::answers(&kept.deployment)),
        };
        ledger.put(self.papers, folder, wanted).await
    }

    /// Ends what the last order's manifests brought, but for these; a cluster that never saw any is not asked.
    async fn prune(&self, wanted: &Manifests) -> anyhow::Result<()> {
        let nothing = Manifests::default();
        if *wanted != nothing || self.papers.manifests()? != nothing {
            self.yard.prune(self.site, wanted).await?;
        }
        Ok(())
    }

    /// Notes that this release serves, as it was applied; what only the one before wanted goes.
    async fn keep(&self, kept: Option<&Kept>) -> anyhow::Result<()> {
        let same = kept.filter(|kept| kept.spec == *self.order);
        if same.is_some_and(|kept| kept.rollout.is_some()) {
            return Ok(());
        }
        let before = kept.filter(|kept| kept.serving.release == self.order.release);
        let since_ms = before.map_or_else(now_ms, |kept| kept.serving.since_ms);
        let sent = self.papers.sent()?;
        let sent = sent.filter(|sent| rollout::answers(sent) == Some(self.order.generation));
        let sent = sent.or_else(|| same.map(|kept| kept.deployment.clone()));
        let rollout = self.papers.rollout()?;
        let manifests = self.papers.manifests()?;
        let nothing = Manifests::default();
        let former = kept.map(|kept| &kept.manifests);
        let place = self.yard.ledger(self.site);
        let had = manifests != nothing || former.is_some_and(|former| *former != nothing);
        let written = self.papers.written()?.filter(|_| place.is_some());
        match &written {
            None if had => self.yard.prune(self.site, &manifests).await?,
            // What was written is the syncer's to end, and what was applied before that is nobody else's.
            Some(written) if kept.is_some_and(|kept| kept.files.is_none()) => {
                let files = &written.files;
                self.yard.hand_over(self.site, &manifests, files).await?;
            }
            None | Some(_) => {}
        }
        self.papers.write_kept(Some(&Kept {
            spec: self.order.clone(),
            serving: describe(self.order, since_ms),
            deployment: sent.context("what was sent is not known any more")?,
            rollout: rollout.filter(|rollout| rollout.generation == self.order.generation),
            manifests,
            files: written.map(|written| written.files),
        }))
    }

    fn live(&self, view: View, sight: &Sight) -> anyhow::Result<Live> {
        let is_answering = sight.deployment.as_ref().is_some_and(|deployment| {
            let status = deployment.status.as_ref();
            status
                .and_then(|status| status.available_replicas)
                .unwrap_or(0)
                > 0
        });
        let serving = self.papers.kept()?.filter(|_| is_answering);
        Ok(Live {
            generation: self.order.generation,
            phase: view.phase,
            reason: view.reason,
            serving: serving.map(|kept| kept.serving),
            url: self.url(sight.service.as_ref()),
            pid: 0,
            updated_ms: now_ms(),
        })
    }

    /// Where people reach it; empty until the cluster has given it an address.
    fn url(&self, service: Option<&Service>) -> String {
        let serving = &self.yard.serving;
        let spec = service.and_then(|service| service.spec.as_ref());
        match &serving.expose {
            Expose::Ingress {
                domain, tls_secret, ..
            } => {
                let scheme = if tls_secret.is_some() {
                    "https"
                } else {
                    "http"
                };
                format!("{scheme}://{}", self.site.host(domain))
            }
            Expose::HttpRoute {
                domain, has_tls, ..
            } => {
                let scheme = if *has_tls { "https" } else { "http" };
                format!("{scheme}://{}", self.site.host(domain))
            }
            Expose::NodePort => {
                let ports = spec.and_then(|spec| spec.ports.as_ref());
                let port = ports.and_then(|ports| ports.first()?.node_port);
                let host = serving.node_host.as_deref().zip(port);
                host.map_or_else(String::new, |(host, port)| format!("http://{host}:{port}"))
            }
            Expose::ClusterIp => {
                let address = spec.and_then(|spec| spec.cluster_ip.as_deref());
                match address {
                    Some(address) if address.contains(':') => format!("http://[{address}]"),
                    Some(address) => format!("http://{address}"),
                    None => String::new(),
                }
            }
        }
    }
}

fn failed(reason: String) -> View {
    View {
        phase: RolloutPhase::Failed,
        reason: Some(reason),
    }
}

fn describe(order: &ServeSpec, since_ms: i64) -> Serving {
    let server = order.server.as_ref();
    let models = server.into_iter().flat_map(|server| &server.models);
    let versions =
        models.filter_map(|model| Some((Slug::parse(&model.name).ok()?, model.version?)));
    Serving {
        release: order.release.clone(),
        since_ms,
        versions: versions.collect(),
        digests: server
            .map(|server| server.digests.clone())
            .unwrap_or_default(),
        // The gateway in its pod measures; nobody asks it.
        p50_us: 0,
        p95_us: 0,
    }
}

/// Units: milliseconds since 1970, UTC.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
