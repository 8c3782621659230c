//! A queue of Kueue, as far as the bed can show it: its objects are written by the story, since Kueue itself is not there.

use crate::harness::{POLL, World};
use crate::place::{Cluster, run_on_cluster_with};
use crate::waiting::{succeeds, told};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch,
    PatchParams, PostParams,
};
use serde_json::json;

const CRD: &str = "workloads.kueue.x-k8s.io";

fn workloads(cluster: &Cluster) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk("kueue.x-k8s.io", "v1beta1", "Workload");
    let resource = ApiResource::from_gvk(&gvk);
    Api::namespaced_with(cluster.client(), &cluster.namespace, &resource)
}

/// Teaches the cluster what a Workload is. A cluster that knows has a Kueue of its own, which would answer too.
async fn introduce(t: &World, cluster: &Cluster) {
    let names = json!({"kind": "Workload", "plural": "workloads", "singular": "workload", "listKind": "WorkloadList"});
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let crd = json!({"metadata": {"name": CRD}, "spec": {"group": "kueue.x-k8s.io", "scope": "Namespaced", "names": names,
        "versions": [{"name": "v1beta1", "served": true, "storage": true, "schema": schema}]}});
    let crd = serde_json::from_value(crd).expect("a definition");
    let crds: Api<CustomResourceDefinition> = Api::all(cluster.client());
    crds.create(&PostParams::default(), &crd)
        .await
        .expect("a cluster without Kueue");
    t.until("the new kind", async |_| {
        let list = workloads(cluster).list(&ListParams::default()).await;
        list.ok()
    })
    .await;
}

/// Does what Kueue does once there is room, for every Job that comes.
async fn admit(cluster: &Cluster) {
    let jobs: Api<Job> = cluster.all(&cluster.namespace);
    let go_on = json!({"spec": {"suspend": false}});
    loop {
        for job in cluster.jobs().await {
            let spec = job.spec.unwrap_or_default();
            let name = job.metadata.name.expect("a name");
            if spec.suspend == Some(true) {
                jobs.patch(&name, &PatchParams::default(), &Patch::Merge(&go_on))
                    .await
                    .expect("it goes on");
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_job_waits_in_its_queue_and_says_why() {
    let queue = "queue = \"team\"\n";
    run_on_cluster_with("a_suspended_job", queue, async |t, cluster| {
        introduce(t, cluster).await;
        let sha = t
            .push(
                "tiny-training",
                "linus",
                "main",
                "Train",
                &[("note.txt", "1\n")],
            )
            .await;
        told(t, &sha, "waits in queue `team`").await;
        let job = cluster.jobs().await.remove(0);
        assert_eq!(job.spec.expect("a spec").suspend, Some(true));
        assert_eq!(cluster.pods().await.len(), 0);
        let uid = job.metadata.uid.expect("a uid");
        let workload = json!({"apiVersion": "kueue.x-k8s.io/v1beta1", "kind": "Workload",
            "metadata": {"name": "job-train", "labels": {"kueue.x-k8s.io/job-uid": uid}},
            "status": {"conditions": [{"type": "QuotaReserved", "status": "False", "reason": "Pending",
                "message": "insufficient unused quota for cpu in flavor default, 1 more needed"}]}});
        let workload = serde_json::from_value(workload).expect("a workload");
        workloads(cluster)
            .create(&PostParams::default(), &workload)
            .await
            .expect("it is created");
        told(t, &sha, "insufficient unused quota for cpu").await;
        tokio::select! {
            () = succeeds(t, &sha) => {}
            () = admit(cluster) => {}
        }
        let crds: Api<CustomResourceDefinition> = Api::all(cluster.client());
        let removed = crds.delete(CRD, &DeleteParams::default()).await;
        removed.expect("it is removed");
    })
    .await;
}
