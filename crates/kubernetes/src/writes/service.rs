//! Writes to Services. The rights they need: `patch` on `services` and on `services/status`, no `get`, no `update`.

use std::collections::BTreeMap;

use serde_json::json;

use super::{merge_patch, strategic_patch};
use crate::cluster::{Call, Cluster};
use crate::error::Error;
use crate::key::ObjectKey;
use crate::service::{Ingress, Service, WireService};

impl Cluster {
    /// Sets annotations to the given values and removes those with `None`; the others stay.
    pub async fn update_service_annotations(
        &self,
        key: &ObjectKey,
        annotations: BTreeMap<String, Option<String>>,
    ) -> Result<Service, Error> {
        let body = json!({"metadata": {"annotations": annotations}});
        self.patched(merge_patch("service_patch", path(key), body)).await
    }

    /// Adds `finalizer` unless it is there; the others stay. Fails with a conflict if the Service is another one by now.
    pub async fn add_service_finalizer(&self, service: &Service, finalizer: &str) -> Result<Service, Error> {
        let body = json!({"metadata": {"uid": service.uid, "finalizers": [finalizer]}});
        self.patched(strategic_patch("service_status_patch", status_path(&service.key), body)).await
    }

    /// Removes `finalizer` if it is there; the others stay. Fails with a conflict if the Service is another one by now.
    pub async fn remove_service_finalizer(
        &self,
        service: &Service,
        finalizer: &str,
    ) -> Result<Service, Error> {
        let body =
            json!({"metadata": {"uid": service.uid, "$deleteFromPrimitiveList/finalizers": [finalizer]}});
        self.patched(strategic_patch("service_status_patch", status_path(&service.key), body)).await
    }

    /// Replaces `status.loadBalancer.ingress` as a whole; nothing else of the status changes.
    pub async fn set_service_ingress(&self, key: &ObjectKey, ingress: &[Ingress]) -> Result<Service, Error> {
        let ingress = if ingress.is_empty() { json!(null) } else { json!(ingress) };
        let body = json!({"status": {"loadBalancer": {"ingress": ingress}}});
        self.patched(merge_patch("service_status_patch", status_path(key), body)).await
    }

    async fn patched(&self, call: Call) -> Result<Service, Error> {
        self.send::<WireService>(&call).await.map(Service::from)
    }
}

fn path(key: &ObjectKey) -> String {
    format!("/api/v1/namespaces/{}/services/{}", key.namespace, key.name)
}

fn status_path(key: &ObjectKey) -> String {
    format!("{}/status", path(key))
}
