//! How many pods: by load between two limits, and evicted one by one.

use super::Site;
use crate::serving::spec::Replicas;
use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec,
    MetricTarget, ResourceMetricSource,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Pods are added above this part of the CPU that they asked for. Units: percent.
const CPU_PERCENT: i32 = 75;

/// How many pods a Deployment asks for: a number that the load has set is kept, within the limits.
pub(super) fn replicas(wanted: Replicas, now: Option<i32>) -> i32 {
    let (min, max) = (count(wanted.min), count(wanted.max));
    now.unwrap_or(min).min(max).max(min)
}

pub(super) fn scaler(site: &Site, replicas: Replicas) -> Option<HorizontalPodAutoscaler> {
    if replicas.max <= replicas.min {
        return None;
    }
    let cpu = MetricSpec {
        type_: "Resource".to_owned(),
        resource: Some(ResourceMetricSource {
            name: "cpu".to_owned(),
            target: MetricTarget {
                type_: "Utilization".to_owned(),
                average_utilization: Some(CPU_PERCENT),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    };
    Some(HorizontalPodAutoscaler {
        metadata: site.metadata(),
        spec: Some(HorizontalPodAutoscalerSpec {
            min_replicas: Some(count(replicas.min)),
            max_replicas: count(replicas.max),
            metrics: Some(vec![cpu]),
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "Deployment".to_owned(),
                name: site.name.clone(),
            },
            behavior: None,
        }),
        status: None,
    })
}

/// A budget for a single pod would keep its node from ever being drained, so there is none.
pub(super) fn budget(site: &Site, replicas: Replicas) -> Option<PodDisruptionBudget> {
    (replicas.min > 1).then(|| PodDisruptionBudget {
        metadata: site.metadata(),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(site.pods()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    })
}

fn count(replicas: u32) -> i32 {
    i32::try_from(replicas).unwrap_or(i32::MAX)
}
