//! Lists of the API server, which come in pages.

use super::{Trouble, TroubleKind};
use kube::Resource;
use kube::api::{Api, ListParams};
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// Objects of one page.
const PAGE_MAX: u32 = 500;
/// Pages of one list; what has more is not looked through.
const PAGES_MAX: u32 = 40;

/// Every object that the labels select, over all pages; where the kind or the namespace is not there, none.
///
/// Errors: what the API server said; `Invalid` where there are more than `PAGES_MAX` pages: half a list would be taken for all.
pub async fn pages<K>(api: &Api<K>, labels: &str) -> Result<Vec<K>, Trouble>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let mut how = ListParams::default().labels(labels).limit(PAGE_MAX);
    let mut all = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = match api.list(&how).await.map_err(Trouble::of) {
            Ok(page) => page,
            Err(trouble) if trouble.kind == TroubleKind::Missing => return Ok(Vec::new()),
            Err(trouble) => return Err(trouble),
        };
        all.extend(page.items);
        match page.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => how = how.continue_token(&next),
            None => return Ok(all),
        }
    }
    Err(Trouble {
        kind: TroubleKind::Invalid,
        message: format!(
            "there are more than {} objects of kind {}; remove some, or give environments a namespace that others do not use",
            PAGE_MAX * PAGES_MAX,
            K::kind(&())
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fake;
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    /// A cluster with so many pages of one object.
    async fn with_pages(count: u32) -> fake::Fake {
        fake::serve(move |asked| {
            let page: u32 = match asked.query.get("continue") {
                Some(text) => text.parse().ok()?,
                None => 0,
            };
            let next = (page + 1 < count).then(|| (page + 1).to_string());
            let is_it = asked.line() == "GET /api/v1/namespaces/n/configmaps"
                && asked.query.get("labelSelector").map(String::as_str) == Some("a=b");
            let list = json!({"metadata": {"continue": next.unwrap_or_default()},
                "items": [{"metadata": {"name": page.to_string()}}]});
            is_it.then(|| (200, list.to_string()))
        })
        .await
    }

    #[tokio::test]
    async fn a_list_is_read_to_its_last_page() {
        let fake = with_pages(3).await;
        let found = pages(&fake.cluster.all::<ConfigMap>("n"), "a=b").await;
        let names = found.unwrap().into_iter();
        let names: Vec<_> = names.filter_map(|one| one.metadata.name).collect();
        assert_eq!(names, ["0", "1", "2"]);
        let fake = with_pages(PAGES_MAX + 1).await;
        let found = pages(&fake.cluster.all::<ConfigMap>("n"), "a=b").await;
        let trouble = found.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Invalid);
        assert!(trouble.message.contains("20000"), "{trouble}");
    }

    #[tokio::test]
    async fn where_there_is_no_such_kind_there_is_no_object() {
        let fake = fake::serve(|_| Some(fake::missing())).await;
        let found = pages(&fake.cluster.all::<ConfigMap>("n"), "").await;
        assert_eq!(found.unwrap(), Vec::new());
    }
}
