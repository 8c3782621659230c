//! Deployments, their statuses and environments.

use super::View;
use crate::state::{Deployment, DeploymentStatus, Repo};
use crate::text::{node_id, percent_encode, time};
use serde_json::{Value, json};

impl View<'_> {
    pub(crate) fn deployment(&self, repo: &Repo, deployment: &Deployment) -> Value {
        let api = self.repo_api(repo);
        let url = format!("{api}/deployments/{}", deployment.id);
        json!({
            "id": deployment.id, "node_id": node_id("Deployment", deployment.id), "url": url,
            "sha": deployment.sha, "ref": deployment.reference, "task": deployment.task,
            "payload": deployment.payload,
            "original_environment": deployment.original_environment,
            "environment": deployment.environment, "description": deployment.description,
            "creator": self.user(deployment.creator),
            "created_at": time(deployment.created), "updated_at": time(deployment.updated),
            "statuses_url": format!("{url}/statuses"), "repository_url": api,
            "transient_environment": deployment.transient,
            "production_environment": deployment.production,
            "performed_via_github_app": self.app_if(deployment.via_app),
        })
    }

    pub(crate) fn deployment_status(
        &self,
        repo: &Repo,
        deployment: &Deployment,
        status: &DeploymentStatus,
    ) -> Value {
        let api = self.repo_api(repo);
        let url = format!("{api}/deployments/{}", deployment.id);
        json!({
            "id": status.id, "node_id": node_id("DeploymentStatus", status.id),
            "url": format!("{url}/statuses/{}", status.id),
            "state": status.state, "creator": self.user(status.creator),
            "description": status.description, "environment": status.environment,
            "target_url": status.log_url, "log_url": status.log_url,
            "environment_url": status.environment_url,
            "created_at": time(status.created), "updated_at": time(status.created),
            "deployment_url": url, "repository_url": api,
            "performed_via_github_app": self.app_if(deployment.via_app),
        })
    }

    pub(crate) fn environment(&self, repo: &Repo, name: &str, id: u64, created: i64) -> Value {
        let encoded = percent_encode(name);
        json!({
            "id": id, "node_id": node_id("Environment", id), "name": name,
            "url": format!("{}/environments/{encoded}", self.repo_api(repo)),
            "html_url": format!("{}/deployments/{encoded}", self.repo_html(repo)),
            "created_at": time(created), "updated_at": time(created),
            "protection_rules": [], "deployment_branch_policy": null,
        })
    }
}
